"""Measures how many blocks PostgreSQL reads to find the next place of a limit, beside many waiters
whose keys have no place, and while an old snapshot keeps the rows of places that were given back.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack
from typing import Any, Final

import psycopg
from psycopg import sql

from benchmarks import measuring
from cloaca_core.features.limits.records import ALL_KEYS, NEVER, LimitDefinition, line_id
from cloaca_core.features.limits.statements import LimitQueries
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.base import Queries
from cloaca_core.store.sql.queries import Statement
from cloaca_core.values.limits.settings import LimitSettings
from cloaca_postgres import BACKEND
from cloaca_postgres.sessions.session import _numbered
from cloaca_postgres.statements import STATEMENTS, WORDING

WAITERS: Final = 100_000
KEYS: Final = 1_000
PLACES: Final = 10_000
MOST_BLOCKS: Final = 20
MOST_UNDER_SNAPSHOT: Final = 1_000
"""The versions of a line's row since the snapshot are looked through, page by page."""
_FREE: Final = ("api", '"free"')
_WHOLE: Final = ("api", ALL_KEYS)
_FILL: Final = (
    """INSERT INTO cloaca_limit_line
        SELECT '["api", "\\"k' || n || '\\""]', 'api', '"k' || n || '"', 1, 0, 1, %(never)s,
            0, 1, 1, 0
        FROM generate_series(1, %(keys)s) AS n""",
    """INSERT INTO cloaca_limit_waiter
        SELECT 'r' || lpad(n::text, 8, '0'), 'load', -1,
            '["api", "\\"k' || 1 + mod(n, %(keys)s) || '\\""]', 'r1', 0, n, 1,
            '[["api", "\\"k' || 1 + mod(n, %(keys)s) || '\\""]]'
        FROM generate_series(1, %(waiters)s) AS n""",
    """INSERT INTO cloaca_limit_line
        VALUES (%(whole)s, 'api', '', %(keys)s, 0, %(keys)s, 0, NULL, NULL, NULL, 1),
            (%(free)s, 'api', '"free"', 0, 0, 0, 0, 0, 1, 1, 0)""",
    """INSERT INTO cloaca_limit_waiter
        SELECT 'f' || n, 'load', -1, %(free)s, 'r1', 0, n, 1, %(needs)s
        FROM generate_series(1, 3) AS n""",
    "ANALYZE",
)


def measure(url: str, within: str, schema: str) -> list[measuring.Line]:
    """Measure both in an empty schema: its database, the URL with it, and its name."""
    return asyncio.run(_measured(url, within, schema))


async def _measured(url: str, within: str, schema: str) -> list[measuring.Line]:
    store = await BACKEND.open(within, StoreOptions())
    settings = LimitSettings(total=2 * KEYS, per_key=1)
    await store.record_limits([LimitDefinition("api", settings.content())], [])
    await store.close()
    with _connected(url, schema) as connection:
        values = {"never": NEVER, "keys": KEYS, "waiters": WAITERS, "whole": line_id(_WHOLE)}
        values |= {"free": line_id(_FREE), "needs": json.dumps([_FREE])}
        for statement in _FILL:
            connection.execute(statement.encode(), values)
        connection.commit()
        beside = _next_place(connection)
        with ExitStack() as after:
            snapshot = after.enter_context(psycopg.connect(url))
            snapshot.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            snapshot.execute("SELECT count(*) FROM pg_class")
            _give_many(connection)
            held = _next_place(connection)
    return [
        _line(f"beside {WAITERS:,} waiters", beside, MOST_BLOCKS),
        _line(f"under a snapshot of {PLACES:,} places ago", held, MOST_UNDER_SNAPSHOT),
    ]


def _line(when: str, blocks: dict[str, int], most: int) -> measuring.Line:
    """The statement that reads the most blocks."""
    told = ", ".join([f"{name} {number}" for name, number in blocks.items()])
    what = f"blocks that a statement on limits reads {when}"
    return measuring.Line(what, max(blocks.values()), "", "at most", most, told)


def _connected(url: str, schema: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(url, prepare_threshold=None)
    enter = STATEMENTS.enter_session
    settings = {"schema": schema, "statement_timeout": "60s"}
    values = enter.bind(
        **settings, plan_cache_mode="force_generic_plan", durable=1, pid=connection.info.backend_pid
    )
    connection.execute(enter.sql.encode(), values)
    return connection


def _next_place(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """The blocks that each statement reads which looks for the next waiter."""
    q = Queries("cloaca_postgres", WORDING).of(LimitQueries)
    ids = [line_id(_WHOLE), line_id(_FREE)]
    first: dict[str, object] = {"ids": ids[:1], "name": "api", "most": 4, "depth": 4}
    names: dict[str, object] = {"names": ["api"]}
    found = {
        "lock_limits": _blocks(connection, q.lock_limits, names),
        "read_lines": _blocks(connection, q.read_lines, {"ids": ids}),
        "first_waiters": _blocks(connection, q.first_waiters, first),
        "oldest_waiters": _blocks(connection, q.oldest_waiters, first),
        "renew_lines": _blocks(connection, q.renew_lines, {"ids": ids[1:]}),
        "renew_waits": _blocks(connection, q.renew_waits, {"ids": ids[:1]}),
        "open_lines": _blocks(connection, q.open_lines, names | {"now": 10**15}),
        "next_opening": _blocks(connection, q.next_opening, names),
    }
    connection.rollback()
    return found


def _blocks(
    connection: psycopg.Connection[Any], statement: Statement, values: dict[str, object]
) -> int:
    """The blocks that a statement reads under a plan for any values, at its second execution."""
    bound = statement.bind(**values)
    given = [bound[index] for index in _numbered(statement).indexes]
    places = sql.SQL(", ").join([sql.Literal(each) for each in given])
    connection.execute(b"PREPARE measured AS " + _numbered(statement).sql)
    explain = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE measured ({})")
    for _ in range(2):
        with connection.transaction(force_rollback=True):
            (((plan,),),) = connection.execute(explain.format(places)).fetchall()
    connection.execute("DEALLOCATE measured")
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])


def _give_many(connection: psycopg.Connection[Any]) -> None:
    """Hand places over, each in a transaction, as commits do: the first in line gets it, and
    another waiter comes.
    """
    whole, free, needs = line_id(_WHOLE), line_id(_FREE), json.dumps([_FREE])
    for number in range(1, PLACES + 1):
        connection.execute("UPDATE cloaca_limit_line SET given = given + 1 WHERE id = %s", [whole])
        connection.execute(
            "UPDATE cloaca_limit_line SET given = given + 1, first_at = %s, oldest_at = %s"
            " WHERE id = %s",
            [number, number, free],
        )
        connection.execute("DELETE FROM cloaca_limit_waiter WHERE run_id = %s", [f"f{number}"])
        connection.execute(
            "INSERT INTO cloaca_limit_waiter VALUES (%s, 'load', -1, %s, 'r1', 0, %s, 1, %s)",
            [f"f{number + 3}", free, number + 3, needs],
        )
        connection.commit()
