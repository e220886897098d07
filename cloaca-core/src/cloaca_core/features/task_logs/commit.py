"""Rows of task logs in a batch: lines and progress of bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.task_logs.records import (
    LINES,
    OLD_LINES,
    PROGRESS,
    LogChunk,
    OldChunk,
    ProgressRow,
    key_of_progress,
)
from cloaca_core.features.task_logs.sql import TaskLogQueries
from cloaca_core.store.sql.commit_part import (
    GUARD,
    Array,
    CommitPart,
    Steps,
    guarded,
    last_of_each,
)
from cloaca_core.store.sql.dialect import Step

if TYPE_CHECKING:
    from cloaca_core.store.batch import Batch
    from cloaca_core.store.sql.base import Queries


class TaskLogCommit:
    """Before ends and parks, after which others own the runs."""

    def __init__(self, queries: Queries, _: Array) -> None:
        self._q = q = queries.of(TaskLogQueries)
        self._line_row = q.record_lines.binder(LogChunk._fields + GUARD)
        self._old_line_row = q.drop_lines.binder(OldChunk._fields + GUARD)
        self._progress_row = q.record_progress.binder(ProgressRow._fields + GUARD)

    def part(self) -> CommitPart:
        return CommitPart(kinds=frozenset((LINES, OLD_LINES, PROGRESS)), record=self._record)

    def _record(self, batch: Batch) -> Steps:
        q = self._q
        steps: Steps = {}
        if lines := batch.of(LINES):
            steps["lines"] = Step(q.record_lines, rows=guarded(batch, lines, self._line_row))
        if old := batch.of(OLD_LINES):
            steps["old_lines"] = Step(q.drop_lines, rows=guarded(batch, old, self._old_line_row))
        if progress := batch.of(PROGRESS):
            told = guarded(batch, last_of_each(progress, key_of_progress), self._progress_row)
            steps["progress"] = Step(q.record_progress, rows=told)
        return steps
