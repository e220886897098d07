"""Limits in SQL: transactions that lock limits, and then decide who gets their places."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from typing import TYPE_CHECKING, Any

from cloaca_core.features.limits.records import (
    Given,
    Grant,
    LimitRow,
    LimitWait,
    Need,
    Waiter,
    grant_id,
    need_of,
    needs_of,
)
from cloaca_core.features.limits.statements import LimitQueries
from cloaca_core.store.sql.base import Queries, SqlPart
from cloaca_core.store.sql.dialect import Answers, More, Step

if TYPE_CHECKING:
    from cloaca_core.features.limits.records import LimitDefinition, Unit
    from cloaca_core.store.sql.dialect import Dialect
    from cloaca_core.store.sql.queries import Row
    from cloaca_core.values.limits.settings import LimitChanges
    from cloaca_core.values.times.instants import Instant


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
        from cloaca_core.features.limits.giving import Wanted  # few programs have limits
        from cloaca_core.features.limits.giving_steps import Giving

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
            from cloaca_core.features.limits.giving import Wanted  # few programs have limits
            from cloaca_core.features.limits.giving_steps import Giving

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
        from cloaca_core.features.limits.giving import Wanted  # few programs have limits
        from cloaca_core.features.limits.giving_steps import Giving
        from cloaca_core.values.limits.settings import LimitChanges

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


def _grant(row: Row) -> Grant:
    name, number, run_id, task_id, item, runner_id, needs, given_at = row
    return Grant(name, number, run_id, task_id, item, runner_id, needs_of(needs), given_at)
