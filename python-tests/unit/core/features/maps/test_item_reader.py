"""Pages of the items of a map."""

from __future__ import annotations

from typing import cast

from model.families import attempt, run

from cloaca_core.features.maps.item_reader import ItemReader, WantedItems
from cloaca_core.features.maps.part import MapStore
from cloaca_core.features.maps.records import MapRow


class OneMap:
    """A store with one map of ``count`` items, which have all completed. It counts how often the
    map is read.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.reads = 0

    async def get_run(self, _: str) -> object:
        return run()

    async def maps(self, _: object) -> list[MapRow]:
        self.reads += 1
        return [MapRow("r", "load", 1, 1, "v1", self.count, "d1", 1, None, None)]

    async def restarts(self, _: object) -> list[object]:
        return []

    async def outcomes(self, _: object) -> list[object]:
        return []

    async def items(self, _: str, __: str, first: int, last: int) -> list[object]:
        change = '{"set":{"load":7}}'
        rows = [attempt("load", change=change) for _ in range(first, last)]
        return [row._replace(item=item) for item, row in enumerate(rows, first)]


async def test_all_pages_are_those_of_the_map_that_was_read_for_the_first() -> None:
    """It may have 100,000 labels."""
    store = OneMap(5)
    reader, wanted = ItemReader(cast("MapStore", store)), WantedItems("r", "load", (), -1, 2)

    page, indexes = await reader.page(wanted, None), []
    while page.items:
        indexes += [item.index for item in page.items]
        page = await reader.page(wanted, page)

    assert (indexes, store.reads) == ([0, 1, 2, 3, 4], 1)
