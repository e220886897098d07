"""Limits in SQL: transactions that lock limits, and then decide who gets their places."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.features.limits.records import (
    Adopted,
    Given,
    Grant,
    LimitRow,
    LimitWait,
    Need,
    Unclaimed,
    Waiter,
    grant_id,
    lines_begin,
    need_of,
    needs_of,
    read_grant,
)
from cloaca_core.features.limits.statements import LimitQueries
from cloaca_core.store.sql.base import Queries, RunQueries, SqlPart
from cloaca_core.store.sql.dialect import Answers, More, Step

if TYPE_CHECKING:
    from cloaca_core.features.limits.looks.records import LimitLoad, LimitLook
    from cloaca_core.features.limits.records import LimitDefinition, Unit
    from cloaca_core.store.acts import ActRow
    from cloaca_core.store.sql.dialect import Dialect
    from cloaca_core.store.sql.queries import Row
    from cloaca_core.values.limits.settings import LimitChanges
    from cloaca_core.values.times.instants import Instant


MOST_TENDED: Final = 500
"""Places that one transaction makes claimable or frees."""


class SqlLimits(SqlPart):
    """The operations on limits. Contracts: see ``LimitStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._limits = queries.of(LimitQueries)
        self._runs = queries.of(RunQueries)

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

    async def adopt_places(self, runner_id: str, run_ids: Collection[str]) -> dict[str, Adopted]:
        q, ids = self._limits, self._dialect.array(run_ids)
        steps = [
            Step(q.lock_runner, (runner_id,)),
            Step(q.adopt_grants, q.adopt_grants.bind(ids=ids, runner_id=runner_id)),
            Step(q.list_waiting_of, q.list_waiting_of.bind(ids=ids)),
        ]
        _, grants, waiting = await self._dialect.write(steps)
        found = {run_id: Adopted([], {}) for run_id in run_ids}
        for grant in map(read_grant, grants):
            found[grant.run_id].grants.append(grant)
        for run_id, task_id, item, since in waiting:
            found[run_id].waiting[run_id, task_id, item] = since
        return {run_id: each for run_id, each in found.items() if any(each)}

    async def held_above(self, run_ids: Collection[str]) -> dict[str, set[Need]]:
        found: dict[str, set[Need]] = {}
        ids = self._dialect.array(run_ids)
        for run_id, needs in await self._read(self._limits.held_above, ids=ids):
            found.setdefault(run_id, set()).update(needs_of(needs))
        return found

    async def tend_places(self, before: Instant) -> Unclaimed:
        q, array = self._limits, self._dialect.array
        rows = await self._read(q.list_unclaimed, limit=MOST_TENDED)
        asleep = {run_id for _, run_id, _, _, is_over, is_asleep in rows if is_asleep > is_over}
        free = [row for row in rows if row[4] or row[3] < before]
        timed = await self._timed()
        if not asleep and not free:
            return Unclaimed(is_left=bool(rows), timed=timed)
        released = [need for row in free for need in needs_of(row[2])]
        now = await self._dialect.now()
        runs = array(sorted(asleep.union([row[1] for row in free])))
        steps = [
            Step(self._runs.lock_steered, (runs,)),
            Step(q.wake_granted, q.wake_granted.bind(ids=runs, now=now)),
        ]
        if not free:
            await self._dialect.write(steps)
            return Unclaimed(len(asleep), is_left=True, timed=timed)
        from cloaca_core.features.limits.giving import Wanted  # few programs have limits
        from cloaca_core.features.limits.giving_steps import Giving

        giving = Giving(q, array, Wanted(None, 0, 0), {name for name, _ in released})
        ids = array([row[0] for row in free])
        steps += giving.locks(released)

        def then(now: Instant, answers: Answers) -> Generator[More, Answers, None]:
            locked, lines = answers[-2:]
            (freed,) = yield More([Step(q.free_unclaimed, q.free_unclaimed.bind(ids=ids))])
            yield from giving.gives(now, locked, lines, _needs_in(freed))

        await self._dialect.write(steps, then=then)
        to_claim = await self._give_rest(giving.given)
        is_left = len(free) < len(rows) or to_claim
        return Unclaimed(len(asleep), len(free), is_left, timed)

    async def _timed(self) -> frozenset[str]:
        """The limits with a rate for which something waits."""
        from cloaca_core.values.limits.settings import (  # few programs have limits
            LimitChanges,
            LimitSettings,
        )

        timed: dict[str, str] = {}
        for each in await self.list_limits():
            changes = LimitChanges.read(each.changes)
            settings = LimitSettings.read(each.content).changed_by(changes)
            if settings.rate is not None or settings.key_rate is not None:
                timed[lines_begin(each.name)] = each.name
        if not timed:
            return frozenset()
        begins = self._dialect.array(list(timed))
        rows = await self._read(self._limits.awaited_limits, begins=begins)
        return frozenset([timed[begin] for (begin,) in rows])

    async def list_grants(self, runner_id: str, after: Mapping[str, int]) -> list[Grant]:
        q = self._limits.list_grants
        steps = [
            Step(q, q.bind(runner_id=runner_id, name=name, after=number))
            for name, number in sorted(after.items())
        ]
        answers = await self._dialect.read(steps) if steps else []
        return [read_grant(row) for rows in answers for row in rows]

    async def free_places(self, runner_id: str) -> None:
        q = self._limits
        returning = Step(q.give_back_all, q.give_back_all.bind(runner_id=runner_id))
        leaving = Step(q.leave_waiters, q.leave_waiters.bind(runner_id=runner_id))
        steps = [
            Step(q.lock_gone, (runner_id,)),
            returning,
            Step(q.list_waiting_needs, q.list_waiting_needs.bind(runner_id=runner_id)),
        ]

        given = Given()

        def then(now: Instant, answers: Answers) -> Generator[More, Answers, None]:
            nonlocal given
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
            given = giving.given

        await self._dialect.write(steps, then=then)
        await self._give_rest(given)

    async def _give_rest(self, given: Given) -> bool:
        """Give the places that a transaction has left which has given many. Returns whether some of
        all these went to runs without an owner.
        """
        from cloaca_core.features.limits.giving import Wanted  # few programs have limits
        from cloaca_core.features.limits.giving_steps import Giving

        to_claim = given.to_claim
        while given.again:
            giving = Giving(self._limits, self._dialect.array, Wanted(None, 0, 0), given.again)

            def then(
                now: Instant, answers: Answers, giving: Giving = giving
            ) -> Generator[More, Answers, None]:
                locked, lines = answers
                return giving.gives(now, locked, lines)

            await self._dialect.write(giving.locks(()), then=then)
            given = giving.given
            to_claim = to_claim or given.to_claim
        return to_claim

    async def record_limits(
        self, definitions: Sequence[LimitDefinition], together: Sequence[Collection[str]]
    ) -> None:
        from cloaca_core.features.limits.settings_sql import recorded  # few programs have limits

        given = await recorded(self._dialect, self._limits, definitions, together)
        if await self._give_rest(given):
            await self.tend_places(0)

    async def limit_waits(self, run_ids: Collection[str], limit: int) -> list[LimitWait]:
        from cloaca_core.run.items.units import first_item  # few look

        ids = self._dialect.array(list(run_ids))
        rows = await self._read(self._limits.limit_waits, ids=ids, limit=limit)
        return [
            LimitWait(run_id, task, first_item(item), need_of(line), since, units)
            for run_id, task, item, line, since, units in rows
        ]

    async def list_holders(self, limit: int) -> list[Grant]:
        return [read_grant(row) for row in await self._read(self._limits.list_holders, limit=limit)]

    async def list_limits(self) -> list[LimitRow]:
        return [LimitRow(*row) for row in await self._read(self._limits.list_limits)]

    async def limit_loads(self, most: int) -> list[LimitLoad]:
        if not (limits := await self.list_limits()):
            return []
        from cloaca_core.features.limits.looks.sql import Looks  # few look

        return await Looks(self._dialect, self._limits).loads(limits, most)

    async def look_at_limit(self, name: str, key: str | None, limit: int) -> LimitLook | None:
        from cloaca_core.features.limits.looks.sql import Looks  # few look

        return await Looks(self._dialect, self._limits).look(name, key, limit)

    async def set_limit(self, name: str, changes: LimitChanges | None, act: ActRow) -> bool | None:
        from cloaca_core.features.limits.settings_sql import changed  # few change any

        is_other, given = await changed(self._dialect, self._limits, name, changes, act)
        if await self._give_rest(given):
            await self.tend_places(0)
        return is_other


def _needs_in(rows: Sequence[Row]) -> list[Need]:
    return [need for (text,) in rows for need in needs_of(text)]
