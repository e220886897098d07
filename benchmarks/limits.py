"""Measures how many blocks PostgreSQL reads to find the next place of a limit, beside many waiters
whose keys have no place, and while an old snapshot keeps the rows of places that were given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, cast

import psycopg
from psycopg import sql

from benchmarks import measuring
from cloaca_core.features.limits.records import NEVER, Given, Grant, LimitDefinition, Need, Waiter
from cloaca_core.features.limits.sql import SqlLimits
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.base import Queries
from cloaca_core.store.sql.dialect import Answers, Dialect, Step, Then
from cloaca_core.store.sql.queries import Row
from cloaca_core.values.limits.rates import Rate
from cloaca_core.values.limits.settings import LimitSettings
from cloaca_postgres import BACKEND
from cloaca_postgres.sessions.session import _numbered
from cloaca_postgres.statements import STATEMENTS, WORDING
from cloaca_testing.conformance.rows import runner

WAITERS: Final = 100_000
KEYS: Final = 1_000
PLACES: Final = 10_000
MOST_BLOCKS: Final = 20
"""Of each statement that finds the next place, beside many waiters whose keys have no place."""
MOST_UNDER_SNAPSHOT: Final = 1.3
"""Times as many a place as without a snapshot, of all statements of a transaction."""
_WRITES: Final = ("put_", "insert_", "remove_")
"""How the names of statements begin that write rows. They find these by their keys."""
SECOND: Final = 1_000_000
_SETTINGS: Final = {
    "one free key": LimitSettings(total=2 * KEYS, per_key=1),
    "a full total": LimitSettings(total=50, per_key=2),
    "no keys": LimitSettings(total=1),
    "rate of keys": LimitSettings(key_rate=Rate(1, SECOND, 1)),
}
"""Limits by what decides who is next."""
_FILL: Final = (
    """INSERT INTO cloaca_limit_waiter
        SELECT %(name)s || lpad(n::text, 8, '0'), 'load', -1,
            format('["%%s", "\\"k%%s\\""]', %(name)s::text, mod(n, %(keys)s)), 'r1', 0, n, 1,
            format('[["%%s", "\\"k%%s\\""]]', %(name)s::text, mod(n, %(keys)s))
        FROM generate_series(1, %(waiters)s) AS n""",
    """INSERT INTO cloaca_limit_line
        SELECT line, %(name)s, format('"k%%s"', mod(min(since), %(keys)s)), %(held)s,
            %(tat)s + 1000 * mod(min(since), %(keys)s), 1,
            %(opens_at)s + %(step)s * mod(min(since), %(keys)s), 0, min(since), min(since), 0,
            NULL, NULL, NULL, 0
        FROM cloaca_limit_waiter WHERE run_id LIKE %(name)s || '%%' GROUP BY line""",
    """INSERT INTO cloaca_limit_line
        VALUES (format('["%%s", ""]', %(name)s::text), %(name)s, '', %(held)s * %(keys)s, 0, 1, 0,
            NULL, NULL, NULL, 0, 0, 0, 0, 0)""",
)


def measure(url: str, within: str, schema: str) -> list[measuring.Line]:
    """Measure in an empty schema: its database, the URL with it, and its name."""
    return asyncio.run(_measured(url, within, schema))


async def _measured(url: str, within: str, schema: str) -> list[measuring.Line]:
    store = await BACKEND.open(within, StoreOptions())
    await store.register(runner("r1"))
    limits = [LimitDefinition(name, each.content()) for name, each in _SETTINGS.items()]
    await store.record_limits(limits, [])
    await store.close()
    lines: list[measuring.Line] = []
    with ExitStack() as after:
        connection = after.enter_context(_connected(url, schema))
        shapes = [_Shape(connection, name) for name in _SETTINGS]
        for each in shapes:
            await each.fill()
        connection.execute("ANALYZE")
        connection.commit()
        before = [await each.blocks() for each in shapes]
        lines += [
            _line(each.name, found.of) for each, found in zip(shapes[:1], before, strict=False)
        ]
        snapshot = after.enter_context(psycopg.connect(url))
        snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        snapshot.execute("SELECT count(*) FROM pg_class")
        for each, found in zip(shapes, before, strict=True):
            for _ in range(PLACES):
                await each.hand_over()
            last = await each.blocks()
            if each is shapes[0]:
                lines.append(_line(f"{each.name}, snapshot", last.of))
            lines.append(_ratio(each.name, found, last))
    return lines


def _line(name: str, blocks: dict[str, int]) -> measuring.Line:
    """The statement that reads the most blocks."""
    most = max([number for each, number in blocks.items() if not each.startswith(_WRITES)])
    what = f"blocks of a statement on limits: {name}"
    return measuring.Line(what, most, "", "at most", MOST_BLOCKS, _told(blocks))


def _ratio(name: str, first: _Blocks, last: _Blocks) -> measuring.Line:
    beside = f"{first.a_place:.0f} blocks at first; {_told(last.of)}"
    what = f"blocks of a place, {PLACES:,} under a snapshot: {name}"
    ratio = last.a_place / first.a_place
    return measuring.Line(what, ratio, "x", "at most", MOST_UNDER_SNAPSHOT, beside)


def _told(blocks: dict[str, int]) -> str:
    return ", ".join([f"{name} {number}" for name, number in blocks.items()])


class _Blocks(NamedTuple):
    """The blocks that each statement reads of a transaction that gives so many places."""

    of: dict[str, int]
    places: int

    @property
    def a_place(self) -> float:
        """Those of all of them."""
        return sum(self.of.values()) / max(1, self.places)


class _Shape:
    """One limit with many waiters, of which one gets the place of the body that ends."""

    def __init__(self, connection: psycopg.Connection[Any], name: str) -> None:
        self.name = name
        self._connection = connection
        self._held: list[Grant] = []
        self._now = 1_000 * SECOND
        self._number = 0

    async def fill(self) -> None:
        """Let bodies hold all places that there are, and let others wait."""
        by_key = _SETTINGS[self.name].per_key
        rate = _SETTINGS[self.name].key_rate
        values: dict[str, object] = {"name": self.name, "keys": KEYS, "waiters": WAITERS}
        values |= {"held": 0, "opens_at": 0, "tat": 0, "step": 0}
        if self.name == "one free key":
            values |= {"held": 1, "opens_at": NEVER}
        if rate is not None:
            values |= {"opens_at": self._now + 1, "tat": self._now + 1, "step": 1_000}
        if by_key is None and rate is None:
            values["waiters"] = 0
        for statement in _FILL:
            self._connection.execute(statement.encode(), values)
        self._connection.commit()
        for _ in range(60):
            self._note(await self._limits().ask_places("r1", [self._waiter()]))
        self._connection.commit()

    async def hand_over(self) -> None:
        """A body ends, another one asks."""
        await self._turn(self._limits())
        self._connection.commit()

    async def blocks(self) -> _Blocks:
        """The blocks that each statement reads when a place goes to the next."""
        held, found, places = list(self._held), dict[str, int](), 0
        for _ in range(2):
            found.clear()
            places = await self._turn(self._limits(found))
            self._connection.rollback()
            self._held = list(held)
        return _Blocks(found, places)

    async def _turn(self, limits: SqlLimits) -> int:
        self._now += SECOND // KEYS
        back = [self._held.pop(0)] if self._held else []
        return self._note(await limits.ask_places("r1", [self._waiter()], back=back))

    def _note(self, given: Given | None) -> int:
        assert given is not None
        self._held += given.grants
        return len(given.grants)

    def _waiter(self) -> Waiter:
        self._number += 1
        key = "" if self.name == "no keys" else f'"k{self._number * 7 % KEYS}"'
        need: Need = (self.name, '"free"' if self.name == "one free key" else key)
        since = WAITERS + self._number
        run_id = f"another of {self.name}{self._number:08}"
        return Waiter(run_id, "load", -1, "r1", 0, since, 1, (need,))

    def _limits(self, blocks: dict[str, int] | None = None) -> SqlLimits:
        dialect = cast("Dialect", _Counting(self._connection, self._now, blocks))
        return SqlLimits(dialect, Queries("cloaca_postgres", WORDING))


class _Counting:
    """Executes the statements of a transaction, at this time. Notes the blocks that each of them
    reads under a plan for any values.
    """

    def __init__(
        self, connection: psycopg.Connection[Any], now: int, blocks: dict[str, int] | None
    ) -> None:
        self._connection = connection
        self._now = now
        self._blocks = blocks

    def array(self, values: Sequence[object]) -> object:
        """A list, which the driver sends as an array."""
        return list(values)

    async def write(self, steps: Sequence[Step], *, then: Then) -> Answers:
        """Execute steps, and those that follow from their answers."""
        self._connection.execute(b"SELECT 1")  # otherwise each of them is a transaction
        first = answers = [self._execute(each) for each in steps]
        deciding = then(self._now, answers)
        more = next(deciding, None)
        while more is not None:
            answers = [self._execute(each) for each in more.steps]
            try:
                more = deciding.send(answers)
            except StopIteration:
                more = None
        return first

    def _execute(self, step: Step) -> list[Row]:
        numbered = _numbered(step.statement)
        rows = step.rows
        bound = step.params if rows is None else [list(each) for each in zip(*rows, strict=True)]
        values = sql.SQL(", ").join([sql.Literal(bound[index]) for index in numbered.indexes])
        name = sql.Identifier(step.statement.name)
        try:
            with self._connection.transaction():
                execute = sql.SQL("EXECUTE {} ({})").format(name, values)
                if self._blocks is not None:
                    self._count(step.statement.name, execute)
                done = self._connection.execute(execute)
        except psycopg.errors.InvalidSqlStatementName:
            prepare = sql.SQL("PREPARE {} AS ").format(name).as_bytes(self._connection)
            self._connection.execute(prepare + numbered.sql)
            return self._execute(step)
        return done.fetchall() if done.description is not None else []

    def _count(self, name: str, execute: sql.Composed) -> None:
        assert self._blocks is not None
        explain = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}").format(execute)
        with self._connection.transaction(force_rollback=True):
            (((plan,),),) = self._connection.execute(explain).fetchall()
        blocks = int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
        self._blocks[name] = max(blocks, self._blocks.get(name, 0))


def _connected(url: str, schema: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(url, prepare_threshold=None)
    enter = STATEMENTS.enter_session
    settings = {"schema": schema, "statement_timeout": "60s"}
    values = enter.bind(
        **settings, plan_cache_mode="force_generic_plan", durable=0, pid=connection.info.backend_pid
    )
    connection.execute(enter.sql.encode(), values)
    connection.commit()
    return connection
