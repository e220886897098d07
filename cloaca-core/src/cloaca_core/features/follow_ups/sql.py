"""Runs that follow the ends of others, in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.follow_ups.records import FollowUpRow
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect
from cloaca_core.store.sql.queries import Statement


class FollowUpQueries(Statements, file="follow_ups.sql"):
    """Runs that follow the ends of others."""

    insert_when_ended: Statement
    insert_follow_up: Statement
    follow_ends: Statement
    follow_cancelled: Statement
    list_follow_ups: Statement


class SqlFollowUps(SqlPart):
    """The operations on runs that follow others. Contracts: see ``FollowUpStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._follow_ups = queries.of(FollowUpQueries)

    async def follow_ups(self, run_ids: Collection[str]) -> list[FollowUpRow]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._follow_ups.list_follow_ups, ids=ids)
        return list(map(FollowUpRow._make, rows))
