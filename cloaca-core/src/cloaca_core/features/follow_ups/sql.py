"""Runs that follow the ends of others, in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.follow_ups.records import FollowUpRow
from cloaca_core.store.sql.base import SqlPart


class SqlFollowUps(SqlPart):
    """The operations on runs that follow others. Contracts: see ``FollowUpStore``."""

    async def follow_ups(self, run_ids: Collection[str]) -> list[FollowUpRow]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._queries.follow_ups.list_follow_ups, ids=ids)
        return list(map(FollowUpRow._make, rows))
