"""Task logs in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.task_logs.records import ChunkFilter, LogChunk, ProgressRow
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect
from cloaca_core.store.sql.queries import Statement


class TaskLogQueries(Statements, file="task_logs.sql"):
    """Lines and progress of bodies."""

    record_lines: Statement
    drop_lines: Statement
    record_progress: Statement
    list_lines: Statement
    list_last_lines: Statement
    list_progress: Statement


class SqlTaskLogs(SqlPart):
    """The operations on task logs. Contracts: see ``TaskLogStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._task_logs = queries.of(TaskLogQueries)

    async def log_chunks(self, wanted: ChunkFilter) -> list[LogChunk]:
        chosen = wanted._asdict()
        if wanted.before is None:
            del chosen["before"]
            found = await self._read(self._task_logs.list_lines, **chosen)
        else:
            found = await self._read(self._task_logs.list_last_lines, **chosen)
        return list(map(LogChunk._make, found))

    async def progress(self, run_ids: Collection[str]) -> list[ProgressRow]:
        ids = self._dialect.array(run_ids)
        found = await self._read(self._task_logs.list_progress, ids=ids)
        return list(map(ProgressRow._make, found))
