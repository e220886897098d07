"""Runners in SQL: their leases, and what becomes of their runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from cloaca_core.errors import StoreOpenError
from cloaca_core.records.runners import RunnerRow
from cloaca_core.store.sql.base import SqlPart
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row

_FREED: Final = 3
"""The place of the runs given back among the answers of ``_giving_up``."""


class SqlRunners(SqlPart):
    """The operations on runners. Contracts: see ``RunnerStore``."""

    def lease_clock(self) -> int:
        return self._dialect.lease_clock()

    @property
    def lease_ends_with_boot(self) -> bool:
        return self._dialect.lease_ends_with_boot

    async def register(self, runner: RunnerRow) -> None:
        register, get = self._queries.runners.register, self._queries.runners.get_runner
        values = runner._asdict()
        insert = Step(register, tuple([values[name] for name in register.parameters]))
        found = await self._dialect.write([insert, Step(get, (runner.id,))])
        if not _same_process(_runner(found[1][0]), runner):
            raise StoreOpenError(f"runner_id {runner.id!r} is in use by another runner")

    async def beat(self, runner_id: str, lease_until: int) -> bool:
        beat = self._queries.runners.beat
        values = beat.bind(id=runner_id, lease_until=lease_until)
        (rows,) = await self._dialect.write([Step(beat, values)], urgent=True)
        return bool(rows)

    async def unregister(self, runner_id: str) -> None:
        q, now = self._queries.runners, await self._dialect.now()
        # The runner first: a claim of its own that is still under way is seen by the release.
        remove = Step(q.unregister, q.unregister.bind(id=runner_id))
        await self._dialect.write(self._giving_up(runner_id, (), now, remove))

    async def release(self, runner_id: str, held: Collection[str]) -> int:
        shut_out, now = self._queries.runners.shut_out, await self._dialect.now()
        wait = Step(shut_out, shut_out.bind(runner_id=runner_id))
        answers = await self._dialect.write(self._giving_up(runner_id, held, now, wait))
        return len(answers[_FREED])

    def _giving_up(
        self, runner_id: str, held: Collection[str], now: int, first: Step
    ) -> Sequence[Step]:
        """Steps that end what is being cancelled, and give back all else that is not held."""
        release = self._queries.runners.release
        free = Step(release, release.bind(runner_id=runner_id, held=self._dialect.array(held)))
        lock, *end = self._ending_cancelled(runner_id, held, now, fenced=0)
        return [lock, first, *end[:1], free, *end[1:]]

    def _ending_cancelled(
        self, runner_id: str, held: Collection[str], now: int, *, fenced: int
    ) -> Sequence[Step]:
        """Steps that end the runs of a runner that are being cancelled: locks, ends, successors."""
        q = self._queries.steering
        lock, end, start = q.lock_schedules_of_cancelled, q.end_cancelled, q.start_after_cancelled
        ids = self._dialect.array(held)
        return [
            Step(lock, lock.bind(runner_id=runner_id)),
            Step(end, end.bind(runner_id=runner_id, held=ids, now=now, fenced=fenced)),
            Step(start, start.bind(now=now)),
        ]

    async def runners(self) -> list[RunnerRow]:
        return list(map(_runner, await self._read(self._queries.runners.list_runners)))

    async def fence(self, runner_id: str, seen_beat: int) -> bool:
        return bool(
            await self._write(self._queries.runners.fence, id=runner_id, seen_beat=seen_beat)
        )

    async def take_over(self, runner_id: str, limit: int) -> int:
        q, now = self._queries.runners, await self._dialect.now()
        batch = {"runner_id": runner_id, "limit": limit}
        lock, end, start = self._ending_cancelled(runner_id, (), now, fenced=1)
        _, ended, _, freed, _, _ = await self._dialect.write(
            [
                lock,
                end,
                Step(q.count_crashes, q.count_crashes.bind(**batch)),
                Step(q.take_over_runs, q.take_over_runs.bind(**batch)),
                start,
                Step(q.remove_emptied_runner, q.remove_emptied_runner.bind(runner_id=runner_id)),
            ]
        )
        return len(ended) + len(freed)


def _runner(row: Row) -> RunnerRow:
    runner = RunnerRow._make(row)
    return runner._replace(fenced=bool(runner.fenced))


def _same_process(found: RunnerRow, given: RunnerRow) -> bool:
    """Whether a row is this registration, apart from its beats and from being fenced since."""
    as_given = found._replace(beat=given.beat, lease_until=given.lease_until, fenced=given.fenced)
    return as_given == given
