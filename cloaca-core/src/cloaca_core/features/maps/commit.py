"""What maps write with a batch: how they were opened."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from cloaca_core.features.maps.records import MAPS, MapRow
from cloaca_core.features.maps.sql import MapQueries
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


class MapCommit:
    """Of several openings of one map the last is written."""

    def __init__(self, queries: Queries, _: Array) -> None:
        self._record_map = queries.of(MapQueries).record_map
        self._map_row = self._record_map.binder(MapRow._fields + GUARD)

    def part(self) -> CommitPart:
        return CommitPart(kinds=frozenset((MAPS,)), record=self._record)

    def _record(self, batch: Batch) -> Steps:
        if not (maps := batch.of(MAPS)):
            return {}
        rows = guarded(batch, last_of_each(maps, attrgetter("key")), self._map_row)
        return {"maps": Step(self._record_map, rows=rows)}
