"""How a run stands, as plain Python over dicts."""

from __future__ import annotations

import json
from collections import Counter

from model.memory_steering import MemorySteering

from cloaca_core.features.explain.records import (
    Holds,
    RecordedRun,
    RunnerLoad,
    Suspect,
    UnendedChild,
    Unread,
    WorkflowPause,
)
from cloaca_core.features.telemetry.gauges import Gauges
from cloaca_core.run.rows import THE_TASK, RestartRow, RunRow
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_core.values.states import SUSPECT_AFTER, ReasonCode, TaskStatus


class MemoryRecordedRun(MemorySteering):
    """Part of ``MemoryStore``."""

    def __init__(self) -> None:
        MemorySteering.__init__(self)
        self.registered: dict[str, RunnerRow] = {}

    async def gauges(self) -> Gauges:
        unended = [run for run in self.runs.values() if run.ended_at is None]
        waiting = [run for run in unended if self.is_claimable(run)]
        since = [self.marks_of(run).claimable_at for run in waiting]
        counts = Counter(str(run.status) for run in unended)
        queues = Counter(run.queue for run in waiting)
        return Gauges(dict(counts), min(since, default=None), None, dict(queues))

    async def recorded_run(self, run_id: str, most: int) -> RecordedRun | None:
        run = self.runs.get(run_id)
        if run is None:
            return None
        unended = [each for _, each in sorted(self.runs.items()) if each.ended_at is None]
        keys = {holder: key for (_, key), holder in self.keys.items()}
        return RecordedRun(
            row=run._replace(input="", final_context=""),
            holds=self._holds(run),
            paused=self._pause_of(run.workflow),
            ahead=min(most, self._ahead(run)),
            attempts=[
                row._replace(change=None)
                for key, row in sorted(self.attempts.items())
                if key[0] == run_id and row.item == THE_TASK
            ],
            restarts=[
                RestartRow(run_id, task_id, first, *about)
                for (of, task_id, first), about in sorted(self.restarted.items())
                if of == run_id
            ],
            children=[
                UnendedChild(each.id, each.workflow, each.status, keys.get(each.id))
                for each in unended
                if each.parent_id == run_id
            ][:most],
            runners=[
                RunnerLoad(
                    row,
                    min(most, sum(each.owner == row.id for each in unended)),
                    any((each.owner, each.workflow) == (row.id, run.workflow) for each in unended),
                )
                for row in sorted(
                    self.registered.values(), key=lambda row: (row.started_at, row.id)
                )
            ],
            lacking={
                runner_id: tuple(json.loads(tasks))
                for (of, runner_id), tasks in sorted(self.unserved.items())
                if of == run_id
            },
            waits=await self.waits([run_id]),
            unread=self._unread(run_id),
            steps=self._steps(run_id),
            progress=await self.progress([run_id]),
            suspect=self._suspect_beside(run),
        )

    def _suspect_beside(self, run: RunRow) -> Suspect | None:
        found = []
        for body in self.attempts.values():
            of, died = self.runs[body.run_id], body.crashes >= SUSPECT_AFTER
            is_here = of.owner is not None and of.owner == run.owner and of.ended_at is None
            is_alone = body.reason_code in (None, ReasonCode.ALONE)
            was_lost = of.recoveries >= SUSPECT_AFTER
            if is_here and was_lost and died and is_alone and body.status == TaskStatus.RUNNING:
                found.append((body.epoch != of.epoch, body.run_id, body.task_id))
        return Suspect(*min(found)[:0:-1]) if found else None

    def _unread(self, run_id: str) -> list[Unread]:
        counts: Counter[tuple[str, str, str, int]] = Counter()
        for each in self.mailbox.values():
            if each.run_id == run_id and each.taken_by is None:
                counts[each.kind, each.name, each.for_task or "", each.for_item] += 1
        return [
            Unread(kind, name, count, for_task or None, for_item)
            for (kind, name, for_task, for_item), count in sorted(counts.items())
        ]

    def _steps(self, run_id: str) -> dict[str, int]:
        kept = self.kept_memos.values()
        return Counter(
            memo.task_id for memo in kept if (memo.run_id, memo.kind) == (run_id, "step")
        )

    def _holds(self, run: RunRow) -> Holds:
        marks, behind = self.marks_of(run), self.behind.get(run.id)
        earlier = None if behind is None else self.runs.get(behind)
        return Holds(
            behind=behind,
            behind_status=None if earlier is None else str(earlier.status),
            paused_at=marks.paused_at,
            paused_until=marks.paused_until,
            cancel_at=marks.cancel_at,
            start_by=marks.start_by,
            forked=int(run.id in self.forked),
        )

    def _pause_of(self, workflow: str) -> WorkflowPause | None:
        if workflow not in self.workflow_pauses:
            return None
        pause = self.pause_of(workflow)
        return WorkflowPause(pause.until, pause.asked_by, pause.reason)

    def _ahead(self, run: RunRow) -> int:
        def place(of: RunRow) -> tuple[int, int, str]:
            return -of.priority, self.marks_of(of).claimable_at, of.id

        others = [each for each in self.runs.values() if each.workflow == run.workflow]
        return sum(self._may_be_claimed(each) and place(each) < place(run) for each in others)

    def _may_be_claimed(self, run: RunRow) -> bool:
        """Whether a claim may take it, but for a pause of its workflow."""
        is_free = run.owner is None and run.ended_at is None and run.due_at is None
        return is_free and run.id not in self.behind and self.marks_of(run).paused_at is None
