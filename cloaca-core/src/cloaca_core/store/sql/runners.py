"""Runners in SQL: their leases, and the release and takeover of their runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from cloaca_core.errors import StoreOpenError
from cloaca_core.store.acts import ActRow
from cloaca_core.store.runner_rows import LostRunner, RunnerName, RunnerRow
from cloaca_core.store.sql.asking_part import AskingPart
from cloaca_core.store.sql.base import Queries, RunnerQueries, of_act
from cloaca_core.store.sql.dialect import Dialect, Step, steps_of
from cloaca_core.store.sql.queries import Row
from cloaca_core.values.states import SUSPECT_AFTER

_ALL: Final = 2**62
"""More runs than a runner owns."""


class SqlRunners(AskingPart):
    """The operations on runners. Contracts: see ``RunnerStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._runners = queries.of(RunnerQueries)

    def lease_clock(self) -> int:
        return self._dialect.lease_clock()

    @property
    def lease_ends_with_boot(self) -> bool:
        return self._dialect.lease_ends_with_boot

    async def register(self, runner: RunnerRow, name: RunnerName | None = None) -> None:
        q = self._runners
        known: dict[str, object] = {"number": None, **(name._asdict() if name else {})}
        insert = Step.of(q.register, known | runner._asdict())
        steps = [insert, Step(q.get_runner, (runner.id,))]
        if name is not None:
            steps.append(Step.of(q.name_runner, known))
        found = await self._dialect.write(steps)
        if not _same_process(runner_of(found[1][0]), runner):
            raise StoreOpenError(f"runner_id {runner.id!r} is in use by another runner")

    async def beat(
        self,
        runner_id: str,
        lease_until: int,
        idle_since: int | None = None,
        sharing: str | None = None,
    ) -> bool:
        beat = self._runners.beat
        known = {"id": runner_id, "lease_until": lease_until}
        values = beat.bind(**known, idle_since=idle_since, sharing=sharing)
        (rows,) = await self._dialect.write([Step(beat, values)], urgent=True)
        return bool(rows)

    async def drain(self, runner_id: str, act: ActRow | None = None) -> int | None:
        q, known = self._runners, {"id": runner_id, "now": await self._dialect.now()}
        steps = [Step.of(q.drain, known)]
        if act is not None:
            steps.append(Step.of(q.note_drain, known | of_act(act)))
        drained, *_ = await self._dialect.write(steps)
        return drained[0][0] if drained else None

    async def unregister(self, runner_id: str) -> None:
        q, now = self._runners, await self._dialect.now()
        # The runner first: a claim of its own that is still under way is seen by the release.
        remove = Step(q.unregister, q.unregister.bind(id=runner_id))
        forget = Step(q.forget_runner, q.forget_runner.bind(runner_id=runner_id))
        await self._give_up(runner_id, (), now, remove, forget)

    async def release(self, runner_id: str, held: Collection[str]) -> int:
        shut_out, now = self._runners.shut_out, await self._dialect.now()
        wait = Step(shut_out, shut_out.bind(runner_id=runner_id))
        return await self._give_up(runner_id, held, now, wait)

    async def _give_up(
        self, runner_id: str, held: Collection[str], now: int, lock_runner: Step, *others: Step
    ) -> int:
        """End runs that are being cancelled, and give back all others that are not held."""
        release = self._runners.release
        free = Step(release, release.bind(runner_id=runner_id, held=self._dialect.array(held)))
        ending = self._ending_cancelled(
            lock_runner, runner_id=runner_id, held=held, now=now, limit=_ALL, fenced=0
        )
        *_, freed = await self._dialect.write([*ending, *others, free])
        return len(freed)

    def _ending_cancelled(
        self, lock_runner: Step, *, held: Collection[str], **values: object
    ) -> Sequence[Step]:
        """Steps that lock schedules, runner and runs, and end the runs that are being cancelled.
        The last one returns those.
        """
        q, known = self._runners, {**values, "held": self._dialect.array(held)}
        locks = self._stages.lock_of_owned
        before = steps_of([q.lock_schedules_of_owned, *locks], known)
        others = steps_of(
            [
                q.lock_owned,
                q.mark_cancelled,
                *self._stages.cancelled,
                q.end_cancelled,
            ],
            known,
        )
        return [*before, lock_runner, *others]

    async def runner_names(self, numbers: Collection[int]) -> list[RunnerName]:
        if not numbers:
            return []
        wanted = self._dialect.array(numbers)
        rows = await self._read(self._runners.runner_names, numbers=wanted)
        return list(map(RunnerName._make, rows))

    async def runners(self) -> list[RunnerRow]:
        return list(map(runner_of, await self._read(self._runners.list_runners)))

    async def lost_runners(self, since: int, limit: int) -> list[LostRunner]:
        rows = await self._read(self._runners.list_lost, since=since, limit=limit)
        return list(map(LostRunner._make, rows))

    async def fence(self, runner_id: str, seen_beat: int) -> bool:
        return bool(await self._write(self._runners.fence, id=runner_id, seen_beat=seen_beat))

    async def take_over(self, runner_id: str, limit: int) -> int:
        q, now = self._runners, await self._dialect.now()
        batch = {"runner_id": runner_id, "limit": limit}
        ending = self._ending_cancelled(
            Step(q.shut_out, q.shut_out.bind(runner_id=runner_id)),
            held=(),
            now=now,
            fenced=1,
            **batch,
        )
        *marking, end = ending
        *_, ended, _, freed, _, _ = await self._dialect.write(
            [
                *marking,
                Step(q.note_lost, q.note_lost.bind(**batch, now=now)),
                end,
                Step(q.count_crashes, q.count_crashes.bind(**batch, suspect_after=SUSPECT_AFTER)),
                Step(q.take_over_runs, q.take_over_runs.bind(**batch)),
                Step(q.remove_emptied_runner, q.remove_emptied_runner.bind(runner_id=runner_id)),
                Step(q.forget_runner, q.forget_runner.bind(runner_id=runner_id)),
            ]
        )
        return len(ended) + len(freed)


def runner_of(row: Row) -> RunnerRow:
    """A row as statements return it. Columns that a version lacks may be missing at its end."""
    runner = RunnerRow(*row)
    return runner._replace(fenced=bool(runner.fenced))


def _same_process(found: RunnerRow, given: RunnerRow) -> bool:
    """Whether a row is this registration, apart from columns that others and its beats wrote
    since.
    """
    as_given = found._replace(
        beat=given.beat,
        lease_until=given.lease_until,
        fenced=given.fenced,
        draining_since=given.draining_since,
        idle_since=given.idle_since,
        sharing=given.sharing,
        host=given.host,
    )
    return as_given == given
