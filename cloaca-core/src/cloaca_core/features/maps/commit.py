"""What maps write with a batch: how they were opened."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from cloaca_core.features.maps.records import MAPS, MapRow
from cloaca_core.features.maps.sql import MapQueries
from cloaca_core.store.sql.commit_part import Array, LastRows

if TYPE_CHECKING:
    from cloaca_core.store.sql.base import Queries


def map_commit(queries: Queries, _: Array) -> LastRows[MapRow]:
    """Of several openings of one map the last is written."""
    return LastRows(MAPS, queries.of(MapQueries).record_map, MapRow._fields, attrgetter("key"))
