"""Queues as people look at them, as plain Python over dicts."""

from __future__ import annotations

from collections.abc import Collection

from model.memory_search import MemorySearches

from cloaca_core.features.queues.records import IN_QUEUES, Backlog, Overdue, QueueLoad
from cloaca_core.run.rows import RunRow
from cloaca_core.store.batch import Batch


class MemoryQueues(MemorySearches):
    """Part of ``MemoryStore``."""

    def put_in_queues(self, batch: Batch, current: Collection[str]) -> None:
        """Write the queues of runs that the runner still owns and that have not ended."""
        for each in batch.of(IN_QUEUES):
            if each.run_id in current and self.runs[each.run_id].ended_at is None:
                self.runs[each.run_id] = self.runs[each.run_id]._replace(queue=each.queue)
                self.marks_of(self.runs[each.run_id]).overdue_at = each.overdue_at

    async def first_overdue(
        self, workflows: Collection[str], queues: Collection[str], limit: int
    ) -> list[Overdue]:
        found = []
        for run in self.runs.values():
            is_elsewhere = run.workflow in workflows and run.queue not in queues
            at = self.marks_of(run).overdue_at
            if at is not None and is_elsewhere and self.is_claimable(run):
                found.append(Overdue(at, run.id))
        return sorted(found)[:limit]

    async def bring_overdue(self, run_ids: Collection[str], queue: str, now: int) -> None:
        for run in [run for run in self.runs.values() if run.id in run_ids]:
            marks = self.marks_of(run)
            if self.is_claimable(run) and marks.overdue_at is not None and marks.overdue_at <= now:
                marks.overdue_at, marks.claimable_at = None, now
                self.runs[run.id] = run._replace(queue=queue)

    async def backlogs(self, most: int) -> list[Backlog]:
        since: dict[tuple[str, str], list[int]] = {}
        for run in self.runs.values():
            if self.is_claimable(run):
                of_line = since.setdefault((run.workflow, run.queue), [])
                of_line.append(self.marks_of(run).claimable_at)
        return sorted(
            Backlog(*line, min(len(instants), most), min(instants))
            for line, instants in since.items()
        )

    async def queue_loads(self, most: int) -> list[QueueLoad]:
        found = []
        unended = [run for run in self.runs.values() if run.ended_at is None]
        for name in sorted({run.queue for run in unended}):
            inside = [run for run in unended if run.queue == name]
            waiting = [run for run in inside if self.is_claimable(run)]
            counts = [sum(run.workflow == each for run in waiting) for each in self._names(inside)]
            running = sum(run.owner is not None for run in inside)
            since = [self.marks_of(run).claimable_at for run in waiting]
            load = QueueLoad(
                name, sum(min(n, most) for n in counts), running, min(since, default=None)
            )
            if load.waiting or load.running:
                found.append(load)
        return found

    @staticmethod
    def _names(runs: list[RunRow]) -> set[str]:
        return {run.workflow for run in runs}
