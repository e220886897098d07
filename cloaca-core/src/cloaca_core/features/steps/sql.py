"""Memos in SQL."""

from __future__ import annotations

from cloaca_core.features.steps.records import MemoRow
from cloaca_core.run.rows import THE_TASK
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect
from cloaca_core.store.sql.queries import Statement


class MemoQueries(Statements, file="memos.sql"):
    """Values that bodies keep."""

    record_memo: Statement
    load_memos: Statement
    copy_memos: Statement


class SqlMemos(SqlPart):
    """The operations on memos. Contracts: see ``MemoStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._memos = queries.of(MemoQueries)

    async def memos(self, run_id: str, task_id: str, item: int = THE_TASK) -> list[MemoRow]:
        found = await self._read(self._memos.load_memos, run_id=run_id, task_id=task_id, item=item)
        return list(map(MemoRow._make, found))
