"""Runs in SQL: claims them, and reads their state."""

from __future__ import annotations

from collections.abc import Collection
from heapq import merge
from itertools import islice

from cloaca_core.run.rows import (
    AttemptRow,
    RestartRow,
    RoundRow,
    RunFilter,
    RunRow,
    Unserved,
    WaitingRow,
)
from cloaca_core.store.batch import Waiting
from cloaca_core.store.sql.base import SqlPart, pair
from cloaca_core.store.sql.dialect import Step, steps_of
from cloaca_core.store.sql.queries import Statement, counting
from cloaca_core.values.queue_names import USUAL_QUEUES
from cloaca_core.values.states import RunStatus

_AFTER_EVERY_ID = "\U0010ffff"
_ENDED = frozenset((RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED))
"""The statuses of runs that have ended."""
_WITH_ERRORS = (RunStatus.FAILED, RunStatus.CANCELLED)
"""The statuses of runs that have an error. Runs with errors are found by their status, as most runs
have another one.
"""


class SqlRuns(SqlPart):
    """The operations on runs. Contracts: see ``RunStore``."""

    # -- claim -------------------------------------------------------------------------------

    async def claim(
        self,
        runner_id: str,
        workflows: Collection[str],
        limit: int,
        now: int,
        aged: int = 0,
        queues: Collection[str] | None = None,
    ) -> list[RunRow]:
        lines = self._lines(workflows, queues)
        return await self._claim(runner_id=runner_id, limit=limit, now=now, aged=aged, **lines)

    async def _claim(self, *, limit: int, aged: int, **values: object) -> list[RunRow]:
        rows = await self._write(
            self._runs.claim,
            limit=limit,
            aged=min(aged, limit),
            store_now=self._dialect.wall(),
            **values,
        )
        # RETURNING answers in no order that a database would promise.
        return sorted(map(RunRow._make, rows))

    async def next_due_run(self, workflows: Collection[str]) -> int | None:
        wanted = self._dialect.array(workflows)
        ((due_at,),) = await self._read(self._runs.next_due_run, workflows=wanted)
        return None if due_at is None else int(due_at)

    async def make_due_claimable(self, workflows: Collection[str], now: int, limit: int) -> int:
        due = await self._write(
            self._runs.make_due_claimable,
            workflows=self._dialect.array(workflows),
            now=now,
            limit=limit,
        )
        return len(due)

    async def set_ran_version(self, runner_id: str, run_ids: Collection[str], version: str) -> None:
        q, ids = self._runs, self._dialect.array(run_ids)
        lock = Step(q.lock_runs, q.lock_runs.bind(ids=ids, runner_id=runner_id))
        values = q.set_ran_version.bind(ids=ids, runner_id=runner_id, version=version)
        await self._dialect.write([lock, Step(q.set_ran_version, values)])

    async def make_claimable_after_set_back(
        self, workflows: Collection[str], now: int, limit: int
    ) -> int:
        parked = await self._write(
            self._runs.make_claimable_after_set_back,
            workflows=self._dialect.array(workflows),
            now=now,
            limit=limit,
        )
        return len(parked)

    async def release_unserved(self, runner_id: str, runs: Collection[Unserved]) -> set[str]:
        q, array = self._runs, self._dialect.array
        known: dict[str, object] = {"runner_id": runner_id}
        ids = array([run.run_id for run in runs])
        steps = [*steps_of([q.lock_runs, q.forget_ended], {**known, "ids": ids})]
        for run in sorted(runs):
            values = {**known, **run._asdict(), "ids": array([run.run_id]), "fence": run.epoch}
            steps += steps_of([q.note_unserved, q.leave_run], values)
        steps += steps_of([q.list_left], {**known, "ids": ids})
        return {run_id for (run_id,) in (await self._dialect.write(steps))[-1]}

    async def released_unserved(self, runner_id: str) -> list[WaitingRow]:
        rows = await self._read(self._runs.count_left, runner_id=runner_id)
        return list(map(WaitingRow._make, rows))

    async def forget_unserved(self, runner_id: str, workflows: Collection[str]) -> None:
        wanted = self._dialect.array(workflows)
        forget = self._runs.forget_unserved
        await self._write(forget, runner_id=runner_id, workflows=wanted)

    async def has_claimable(
        self,
        runner_id: str,
        workflows: Collection[str],
        queues: Collection[str] | None = None,
    ) -> bool:
        return await self._has_claimable(runner_id=runner_id, **self._lines(workflows, queues))

    def _lines(
        self, workflows: Collection[str], queues: Collection[str] | None
    ) -> dict[str, object]:
        """The workflows and queues in which runs are looked for."""
        array = self._dialect.array
        return {
            "workflows": array(workflows),
            "queues": array(USUAL_QUEUES if queues is None else queues),
            "all_queues": int(queues is None),
        }

    async def _has_claimable(self, **values: object) -> bool:
        ((found,),) = await self._read(self._runs.has_claimable, **values)
        return bool(found)

    async def note_queue(self, workflow: str, name: str) -> None:
        await self._dialect.write([self._noting([(workflow, name)])])

    async def load_attempts(self, run_ids: Collection[str]) -> list[AttemptRow]:
        rows = await self._read(self._runs.load_attempts, ids=self._dialect.array(run_ids))
        return list(map(AttemptRow._make, rows))

    async def outcomes(self, run_ids: Collection[str]) -> list[AttemptRow]:
        rows = await self._read(self._runs.list_outcomes, ids=self._dialect.array(run_ids))
        return list(map(AttemptRow._make, rows))

    # -- observe -----------------------------------------------------------------------------

    async def restarts(self, run_ids: Collection[str]) -> list[RestartRow]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._runs.list_restarts, ids=ids)
        return list(map(RestartRow._make, rows))

    async def rounds(self, run_id: str) -> list[RoundRow]:
        rows = await self._read(self._runs.list_rounds, run_id=run_id)
        return list(map(RoundRow._make, rows))

    async def get_run(self, run_id: str) -> RunRow | None:
        rows = await self._read(self._runs.get_run, id=run_id)
        return RunRow._make(rows[0]) if rows else None

    async def list_runs(self, wanted: RunFilter) -> list[RunRow]:
        steps = [Step(each, each.bind(**values)) for each, values in self._listings(wanted)]
        pages = [map(RunRow._make, page) for page in await self._dialect.read(steps)]
        newest_first = merge(*pages, key=lambda run: run.id, reverse=True)
        return list(islice(newest_first, wanted.limit))

    async def count_runs(self, wanted: RunFilter) -> int:
        steps = [self._count(*listing) for listing in self._listings(wanted)]
        return sum(number for ((number,),) in await self._dialect.read(steps))

    def _count(self, listing: Statement, values: dict[str, object]) -> Step:
        q = self._runs
        if listing is not q.list_active_runs:
            return Step(counting(listing), listing.bind(**values))
        return Step.of(q.count_active_runs, values)

    def _listings(self, wanted: RunFilter) -> list[tuple[Statement, dict[str, object]]]:
        """The statements, one for each status, whose indexes fit the filter best, and their
        values.
        """
        values: dict[str, object] = {
            "before": _AFTER_EVERY_ID if wanted.before is None else wanted.before,
            "after": "" if wanted.after is None else wanted.after,
            "limit": wanted.limit,
            "since": wanted.since,
            "until": wanted.until,
            "error": wanted.error,
        }
        statuses = wanted.statuses or ((None,) if wanted.error is None else _WITH_ERRORS)
        chosen = [self._listing(wanted, status) for status in dict.fromkeys(statuses)]
        return [(statement, values | own) for statement, own in chosen]

    def _listing(
        self, wanted: RunFilter, status: str | None
    ) -> tuple[Statement, dict[str, object]]:
        """The statement for one status or (None) any, and the values that other statements do not
        take.
        """
        q, workflow = self._runs, wanted.workflow
        rest: dict[str, object] = {
            "status": status,
            "workflow": workflow,
            "parent_id": wanted.parent_id,
        }
        if wanted.tags:
            (tag, content), *others = wanted.tags
            pairs = self._dialect.array([pair(*other) for other in others])
            return q.list_runs_of_tag, {**rest, "tag": tag, "content": content, "others": pairs}
        if wanted.parent_id is not None:
            return q.list_runs_of_parent, rest
        if status is not None and status not in _ENDED:
            return q.list_active_runs, rest
        if status is not None and (workflow is None or status in _WITH_ERRORS):
            return q.list_ended_runs, {"status": status, "workflow": workflow}
        if workflow is not None:
            return q.list_runs_of_workflow, {"workflow": workflow, "status": status}
        return q.list_runs, {}

    async def list_waiting(self, runner_id: str, most: int, gone: Collection[str] = ()) -> Waiting:
        known = {"runner_id": runner_id, "most": most, "gone": self._dialect.array(gone)}
        rows = await self._read(self._runs.list_waiting, **known)
        found = list(map(WaitingRow._make, rows))
        (others,) = [row.found for row in found if row.kind == "runner"]
        return Waiting([row for row in found if row.kind != "runner"], others)

    async def ended(self, run_ids: Collection[str]) -> list[RunRow]:
        rows = await self._read(self._runs.ended_runs, ids=self._dialect.array(run_ids))
        return list(map(RunRow._make, rows))
