"""Runs in SQL: claims them, and reads their state."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.records.batch import Waiting
from cloaca_core.records.runs import AttemptRow, RunFilter, RunRow, WaitingRow
from cloaca_core.records.states import RunStatus
from cloaca_core.store.sql.base import SqlPart, pair
from cloaca_core.store.sql.queries import Statement

_AFTER_EVERY_ID = "\U0010ffff"
_ACTIVE = frozenset((RunStatus.PENDING, RunStatus.RUNNING))
"""The states of runs that have not ended."""


class SqlRuns(SqlPart):
    """The operations on runs. Contracts: see ``RunStore``."""

    # -- claim -------------------------------------------------------------------------------

    async def claim(
        self, runner_id: str, workflows: Collection[str], limit: int, now: int
    ) -> list[RunRow]:
        rows = await self._write(
            self._queries.runs.claim,
            runner_id=runner_id,
            workflows=self._dialect.array(workflows),
            limit=limit,
            now=now,
        )
        # RETURNING answers in no order that a database would promise.
        return sorted(map(RunRow._make, rows))

    async def has_claimable(self, workflows: Collection[str]) -> bool:
        wanted = self._dialect.array(workflows)
        ((found,),) = await self._read(self._queries.runs.has_claimable, workflows=wanted)
        return bool(found)

    async def load_attempts(self, run_ids: Collection[str]) -> list[AttemptRow]:
        rows = await self._read(self._queries.runs.load_attempts, ids=self._dialect.array(run_ids))
        return list(map(AttemptRow._make, rows))

    # -- observe -----------------------------------------------------------------------------

    async def get_run(self, run_id: str) -> RunRow | None:
        rows = await self._read(self._queries.runs.get_run, id=run_id)
        return RunRow._make(rows[0]) if rows else None

    async def list_runs(self, wanted: RunFilter) -> list[RunRow]:
        statement, values = self._listing(wanted)
        before = _AFTER_EVERY_ID if wanted.before is None else wanted.before
        rows = await self._read(statement, before=before, limit=wanted.limit, **values)
        return list(map(RunRow._make, rows))

    def _listing(self, wanted: RunFilter) -> tuple[Statement, dict[str, object]]:
        """The statement whose index fits the filter best, and its values."""
        q, status, workflow = self._queries.runs, wanted.status, wanted.workflow
        if wanted.tags:
            (tag, content), *others = wanted.tags
            rest = self._dialect.array([pair(*other) for other in others])
            return q.list_runs_of_tag, {
                "tag": tag,
                "content": content,
                "others": rest,
                "status": status,
                "workflow": workflow,
            }
        if workflow is not None:
            return q.list_runs_of_workflow, {"workflow": workflow, "status": status}
        if status is None:
            return q.list_runs, {}
        if status in _ACTIVE:
            return q.list_active_runs, {"status": status}
        return q.list_ended_runs, {"status": status}

    async def list_waiting(self, runner_id: str, most: int) -> Waiting:
        rows = await self._read(self._queries.runs.list_waiting, runner_id=runner_id, most=most)
        found = list(map(WaitingRow._make, rows))
        (others,) = [row.found for row in found if row.kind == "runner"]
        return Waiting([row for row in found if row.kind != "runner"], others)

    async def ended(self, run_ids: Collection[str]) -> list[RunRow]:
        rows = await self._read(self._queries.runs.ended_runs, ids=self._dialect.array(run_ids))
        return list(map(RunRow._make, rows))
