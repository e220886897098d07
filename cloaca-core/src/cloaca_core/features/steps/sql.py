"""Memos in SQL."""

from __future__ import annotations

from cloaca_core.features.steps.records import MemoRow
from cloaca_core.store.sql.base import SqlPart


class SqlMemos(SqlPart):
    """The operations on memos. Contracts: see ``MemoStore``."""

    async def memos(self, run_id: str, task_id: str) -> list[MemoRow]:
        found = await self._read(self._queries.memos.load_memos, run_id=run_id, task_id=task_id)
        return list(map(MemoRow._make, found))
