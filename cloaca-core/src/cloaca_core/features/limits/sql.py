"""Limits in SQL: transactions that lock limits, and then decide who gets their places."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.features.limits.giving import Decision, FirstWaiters, Found, Reads, Wanted, decide
from cloaca_core.features.limits.records import (
    ALL_KEYS,
    NEVER,
    Given,
    Grant,
    LimitRow,
    LimitWait,
    Line,
    Need,
    Waiter,
    grant_id,
    line_id,
    need_of,
    needs_of,
    needs_text,
)
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Answers, More, Step
from cloaca_core.values.limits.settings import LimitChanges, LimitSettings

if TYPE_CHECKING:
    from cloaca_core.features.limits.records import LimitDefinition, Unit
    from cloaca_core.store.sql.commit_part import Array
    from cloaca_core.store.sql.dialect import Dialect
    from cloaca_core.store.sql.queries import Row, Statement
    from cloaca_core.values.times.instants import Instant


_MOVED: Final = ("line", "since", "units", "run_id", "task_id", "item")


class LimitQueries(Statements, file="limits.sql", news={"insert_foreign_grant": Change.RUNS}):
    """Statements on limits, their places and those that wait for them."""

    lock_runner: Statement
    lock_gone: Statement
    give_back: Statement
    give_back_all: Statement
    list_waiting_needs: Statement
    leave_waiters: Statement
    remove_waiters: Statement
    leave_lines: Statement
    lock_limits: Statement
    read_lines: Statement
    open_lines: Statement
    next_opening: Statement
    put_line: Statement
    renew_lines: Statement
    renew_waits: Statement
    put_waiter: Statement
    move_waiter: Statement
    insert_grant: Statement
    insert_foreign_grant: Statement
    list_grants: Statement
    record_limit: Statement
    join_families: Statement
    change_limit: Statement
    open_all_lines: Statement
    list_limits: Statement
    limit_waits: Statement
    list_holders: Statement
    first_waiters: Statement
    oldest_waiters: Statement


class Giving:
    """The end of one transaction, which has given places back: locks limits, and gives their free
    places. ``given`` is what it gave to its runner.
    """

    def __init__(
        self, q: LimitQueries, array: Array, wanted: Wanted, names: Collection[str]
    ) -> None:
        self._q = q
        self._array = array
        self._wanted = wanted
        self._names = frozenset(names)
        self._moved = q.move_waiter.binder(_MOVED)
        self.given = Given()

    def locks(self, needs: Collection[Need]) -> list[Step]:
        """The statements that lock the limits and read the lines of these needs, which come before
        ``gives``.
        """
        lines = {(name, ALL_KEYS) for name in self._names} | set(needs)
        names = self._array(sorted(self._names))
        locks = Step(self._q.lock_limits, self._q.lock_limits.bind(names=names))
        return [locks, self._read_lines(sorted(lines))]

    def gives(
        self, now: Instant, locked: Sequence[Row], lines: Sequence[Row], released: Sequence[Need]
    ) -> Generator[More, Answers, None]:
        """The statements after the locks."""
        limits = {name: LimitSettings() for name in self._names}
        for name, content, changes in locked:
            settings = LimitSettings.read(content)
            limits[name] = settings.changed_by(LimitChanges.read(changes))
        by_time = any(each.key_rate is not None for each in limits.values())
        names = self._array(sorted(limits))
        if by_time:
            yield More([Step(self._q.open_lines, self._q.open_lines.bind(names=names, now=now))])
        wanted = self._wanted._replace(now=now, released=released)
        deciding = decide(wanted, limits, list(map(Line._make, lines)))
        found: Found | None = None
        while True:
            try:
                reads = next(deciding) if found is None else deciding.send(found)
            except StopIteration as end:
                decision: Decision = end.value
                break
            answers = yield More(self._reads(reads))
            found = _found(reads, answers)
        steps = self._writes(decision)
        if by_time:
            steps.append(Step(self._q.next_opening, self._q.next_opening.bind(names=names)))
        answers = yield More(steps, last=True)
        looks = [] if decision.next_look is None else [decision.next_look]
        if by_time and (opens_at := answers[-1][0][0]) is not None and opens_at < NEVER:
            looks.append(opens_at)
        own = [each for each in decision.grants if each.runner_id == wanted.runner_id]
        self.given = Given(tuple(own), decision.again, min(looks, default=None))

    # -- reading -----------------------------------------------------------------------------

    def _read_lines(self, needs: Sequence[Need]) -> Step:
        ids = self._array([line_id(need) for need in needs])
        return Step(self._q.read_lines, self._q.read_lines.bind(ids=ids))

    def _reads(self, reads: Reads) -> list[Step]:
        steps = [self._read_lines(reads.lines)] if reads.lines else []
        return steps + [self._read_waiters(each) for each in reads.waiters]

    def _read_waiters(self, read: FirstWaiters) -> Step:
        statement = self._q.oldest_waiters if read.by_age else self._q.first_waiters
        ids = self._array([line_id(need) for need in read.lines])
        return Step(
            statement, statement.bind(ids=ids, name=read.name, most=read.most, depth=read.depth)
        )

    # -- writing -----------------------------------------------------------------------------

    def _writes(self, decision: Decision) -> list[Step]:
        q, array = self._q, self._array
        own: list[Row] = []
        others: list[Row] = []
        for each in decision.grants:
            (own if each.runner_id == self._wanted.runner_id else others).append(_grant_row(each))
        lines = [(line_id(line.need), *line) for line in decision.lines]
        asked = {each.unit for each in self._wanted.requests}
        new = [
            (*waiter.unit, line_id(line), *waiter[3:7], needs_text(waiter.needs))
            for waiter, line in decision.standing
            if waiter.unit in asked
        ]
        moved = [
            self._moved((line_id(line), waiter.since, waiter.units, *waiter.unit))
            for waiter, line in decision.standing
            if waiter.unit not in asked
        ]
        steps = [
            Step(statement, rows=rows)
            for statement, rows in (
                (q.remove_waiters, decision.gone),
                (q.put_waiter, new),
                (q.move_waiter, moved),
                (q.put_line, lines),
                (q.insert_grant, own),
                (q.insert_foreign_grant, others),
            )
            if rows
        ]
        if decision.renewed:
            ids = array([line_id(need) for need in decision.renewed])
            steps.append(Step(q.renew_lines, q.renew_lines.bind(ids=ids)))
        if wholes := [need for need in decision.renewed if need[1] == ALL_KEYS]:
            ids = array([line_id(need) for need in wholes])
            steps.append(Step(q.renew_waits, q.renew_waits.bind(ids=ids)))
        return steps


class SqlLimits(SqlPart):
    """The operations on limits. Contracts: see ``LimitStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._limits = queries.of(LimitQueries)

    async def ask_places(
        self,
        runner_id: str,
        requests: Sequence[Waiter],
        *,
        back: Collection[Grant] = (),
        left: Collection[Unit] = (),
        names: Collection[str] = (),
        beat: int = 0,
    ) -> Given | None:
        q, array = self._limits, self._dialect.array
        needs = {need for each in requests for need in each.needs}
        needs |= {need for each in back for need in each.needs}
        wanted = Wanted(runner_id, 0, beat, requests)
        giving = Giving(q, array, wanted, {name for name, _ in needs} | set(names))
        is_ours = False
        ids = array([grant_id(each.name, each.number) for each in back])
        steps = [
            Step(q.lock_runner, (runner_id,)),
            Step(q.give_back, q.give_back.bind(ids=ids, runner_id=runner_id)),
            *giving.locks(needs),
        ]

        def then(now: Instant, answers: Answers) -> Generator[More, Answers, None]:
            nonlocal is_ours
            ours, returned, locked, lines = answers
            if is_ours := bool(ours):
                if left:
                    mine = [(*unit, runner_id) for unit in sorted(left)]
                    yield More([Step(q.leave_lines, rows=mine)])
                released = _needs_in(returned)
                yield from giving.gives(now, locked, lines, released)

        await self._dialect.write(steps, then=then)
        return giving.given if is_ours else None

    async def list_grants(self, runner_id: str, since: Instant) -> list[Grant]:
        rows = await self._read(self._limits.list_grants, runner_id=runner_id, since=since)
        return [_grant(row) for row in rows]

    async def free_places(self, runner_id: str) -> None:
        q = self._limits
        returning = Step(q.give_back_all, q.give_back_all.bind(runner_id=runner_id))
        leaving = Step(q.leave_waiters, q.leave_waiters.bind(runner_id=runner_id))
        steps = [
            Step(q.lock_gone, (runner_id,)),
            returning,
            Step(q.list_waiting_needs, q.list_waiting_needs.bind(runner_id=runner_id)),
        ]

        def then(now: Instant, answers: Answers) -> Generator[More, Answers, None]:
            _, returned, waiting = answers
            released = _needs_in(returned)
            names = {name for name, _ in [*released, *_needs_in(waiting)]}
            if not names:
                return
            giving = Giving(q, self._dialect.array, Wanted(None, 0, 0), names)
            locked, lines = yield More(giving.locks(released))
            # Until the limits were locked, others may have given places to waiters of the runner.
            returned, _ = yield More([returning, leaving])
            released += _needs_in(returned)
            yield from giving.gives(now, locked, lines, released)

        await self._dialect.write(steps, then=then)

    async def record_limits(
        self, definitions: Sequence[LimitDefinition], together: Sequence[Collection[str]]
    ) -> None:
        q, now = self._limits, await self._dialect.now()
        steps = [
            Step.of(q.record_limit, {"name": each.name, "content": each.content, "now": now})
            for each in sorted(definitions)
        ]
        for names in together:
            bound = q.join_families.bind(names=self._dialect.array(sorted(names)))
            steps.append(Step(q.join_families, bound))
        await self._dialect.write(steps)

    async def limit_waits(self, run_id: str, limit: int) -> list[LimitWait]:
        rows = await self._read(self._limits.limit_waits, run_id=run_id, limit=limit)
        return [LimitWait(task, item, need_of(line), since) for task, item, line, since in rows]

    async def list_holders(self, limit: int) -> list[Grant]:
        return [_grant(row) for row in await self._read(self._limits.list_holders, limit=limit)]

    async def list_limits(self) -> list[LimitRow]:
        return [LimitRow(*row) for row in await self._read(self._limits.list_limits)]

    async def set_limit(
        self, name: str, changes: LimitChanges, asked_by: str, runner_id: str | None = None
    ) -> bool:
        """Put settings over those of the definition, and give the places that are free by them."""
        q = self._limits
        giving = Giving(q, self._dialect.array, Wanted(runner_id, 0, 0), (name,))

        def then(now: Instant, answers: Answers) -> Generator[More, Answers, None]:
            locked = {each: (content, known) for each, content, known in answers[0]}
            if name not in locked:
                return
            content, known = locked[name]
            locked[name] = content, LimitChanges.read(known).then(changes).content()
            bound: dict[str, Any] = {"name": name, "changes": locked[name][1], "now": now}
            change = q.change_limit.bind(**bound, changed_by=asked_by)
            yield More([Step(q.change_limit, change), Step(q.open_all_lines, (name,))])
            rows = [(each, *texts) for each, texts in locked.items()]
            yield from giving.gives(now, rows, answers[1], ())

        answers = await self._dialect.write(giving.locks(()), then=then)
        return any(row[0] == name for row in answers[0])


def _needs_in(rows: Sequence[Row]) -> list[Need]:
    return [need for (text,) in rows for need in needs_of(text)]


def _found(reads: Reads, answers: Answers) -> Found:
    lines: list[Line] = []
    if reads.lines:
        rows, *answers = answers
        lines = list(map(Line._make, rows))
    return Found(lines, list(map(_lines_read, answers)))


def _lines_read(rows: Sequence[Row]) -> list[tuple[Line, list[Waiter]]]:
    found: dict[Need, tuple[Line, list[Waiter]]] = {}
    width = len(Line._fields)
    for row in rows:
        line = Line(*row[:width])
        _, waiters = found.setdefault(line.need, (line, []))
        run_id, task_id, item, runner_id, rank, since, units, needs = row[width:]
        if run_id is not None:
            waiters.append(
                Waiter(run_id, task_id, item, runner_id, rank, since, units, needs_of(needs))
            )
    return list(found.values())


def _grant(row: Row) -> Grant:
    name, number, run_id, task_id, item, runner_id, needs, given_at = row
    return Grant(name, number, run_id, task_id, item, runner_id, needs_of(needs), given_at)


def _grant_row(grant: Grant) -> tuple[object, ...]:
    key = grant_id(grant.name, grant.number)
    return (key, *grant[:6], needs_text(grant.needs), grant.given_at)
