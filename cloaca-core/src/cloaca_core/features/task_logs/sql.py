"""Task logs in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.task_logs.records import ChunkFilter, LogChunk, ProgressRow
from cloaca_core.store.sql.base import SqlPart


class SqlTaskLogs(SqlPart):
    """The operations on task logs. Contracts: see ``TaskLogStore``."""

    async def log_chunks(self, wanted: ChunkFilter) -> list[LogChunk]:
        found = await self._read(self._queries.task_logs.list_lines, **wanted._asdict())
        return list(map(LogChunk._make, found))

    async def progress(self, run_ids: Collection[str]) -> list[ProgressRow]:
        ids = self._dialect.array(run_ids)
        found = await self._read(self._queries.task_logs.list_progress, ids=ids)
        return list(map(ProgressRow._make, found))
