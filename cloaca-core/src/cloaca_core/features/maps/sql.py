"""Maps in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.maps.records import ALL, ItemMark, ItemRestart, MapRow
from cloaca_core.run.rows import AttemptRow
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect
from cloaca_core.store.sql.queries import Statement


class MapQueries(Statements, file="maps.sql"):
    """Maps, and the attempts of their items."""

    record_map: Statement
    load_maps: Statement
    load_items: Statement
    load_items_without_results: Statement
    load_item_marks: Statement
    load_chosen_items: Statement
    list_restarted_items: Statement


class SqlMaps(SqlPart):
    """The operations on maps. Contracts: see ``MapStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._maps = queries.of(MapQueries)

    async def maps(self, run_ids: Collection[str]) -> list[MapRow]:
        found = await self._read(self._maps.load_maps, ids=self._dialect.array(run_ids))
        return list(map(MapRow._make, found))

    async def items(
        self, run_id: str, task_id: str, first: int, last: int, *, results: bool = True
    ) -> list[AttemptRow]:
        found = await self._read(
            self._maps.load_items if results else self._maps.load_items_without_results,
            run_id=run_id,
            task_id=task_id,
            first=first,
            last=last,
        )
        return list(map(AttemptRow._make, found))

    async def item_marks(
        self, run_id: str, task_id: str, first: int = 0, last: int = ALL
    ) -> list[ItemMark]:
        found = await self._read(
            self._maps.load_item_marks, run_id=run_id, task_id=task_id, first=first, last=last
        )
        return list(map(ItemMark._make, found))

    async def restarted_items(self, run_ids: Collection[str]) -> list[ItemRestart]:
        ids = self._dialect.array(run_ids)
        found = await self._read(self._maps.list_restarted_items, ids=ids)
        return list(map(ItemRestart._make, found))

    async def chosen_items(
        self, run_id: str, task_id: str, indexes: Collection[int]
    ) -> list[AttemptRow]:
        chosen = self._dialect.array(indexes)
        found = await self._read(
            self._maps.load_chosen_items, run_id=run_id, task_id=task_id, indexes=chosen
        )
        return list(map(AttemptRow._make, found))
