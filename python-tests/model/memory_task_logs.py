"""The part of the store contract about task logs, as plain Python over dicts."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.task_logs.records import (
    LINES,
    OLD_LINES,
    PROGRESS,
    ChunkFilter,
    LogChunk,
    ProgressRow,
    key_of_progress,
)
from cloaca_core.run.rows import THE_TASK
from cloaca_core.store.batch import Batch


class MemoryTaskLogs:
    """Part of ``MemoryStore``."""

    def __init__(self) -> None:
        self.kept_lines: dict[tuple[str, int], LogChunk] = {}
        self.latest: dict[tuple[str, str, int, int], ProgressRow] = {}

    def keep_lines(self, batch: Batch, current: Collection[str]) -> None:
        """Write the lines and the progress of runs that are the runner's own."""
        for chunk in batch.of(LINES):
            if chunk.run_id in current:
                self.kept_lines.setdefault((chunk.run_id, chunk.position), chunk)
        for old in batch.of(OLD_LINES):
            if old.run_id in current:
                self.kept_lines.pop((old.run_id, old.position), None)
        for row in batch.of(PROGRESS):
            if row.run_id in current:
                self.latest[key_of_progress(row)] = row

    async def log_chunks(self, wanted: ChunkFilter) -> list[LogChunk]:
        """The chunks that match, by position; with ``before`` the last ones, newest first."""
        is_last, end = wanted.before is not None, wanted.before or 0
        return [
            chunk
            for (run_id, position), chunk in sorted(self.kept_lines.items(), reverse=is_last)
            if run_id == wanted.run_id
            and position > wanted.after
            and (not is_last or position < end)
            and wanted.task_id in (None, chunk.task_id)
            and wanted.attempt in (None, chunk.attempt)
            and wanted.item in (None, chunk.item)
        ][: wanted.limit]

    async def progress(self, run_ids: Collection[str]) -> list[ProgressRow]:
        """How far the attempts of the tasks of these runs have come, by run, task and attempt."""
        return [
            row
            for key, row in sorted(self.latest.items())
            if key[0] in run_ids and row.item == THE_TASK
        ]
