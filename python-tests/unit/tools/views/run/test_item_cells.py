"""The cells of a map are kept from look to look; only what may have changed is read again."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

from model.families import attempt, run

from cloaca_core.features.maps.records import ItemMark, MapRow
from cloaca_core.run.rows import AttemptRow, RestartRow, RunRow
from cloaca_core.values.times.instants import SECOND
from cloaca_tools.views.run.item_cells import KeptCells, SeenMap
from cloaca_tools.views.run.item_states import CELLS, Cell
from cloaca_tools.views.run.items import MapItems, map_items, read, wanted

SEEN = SeenMap("load", 1, 1, is_over=False)
TOTAL = CELLS * 10


class Database:
    """A run with a map of 1,200 items, ten in a cell. ``asked`` are the ranges that were read."""

    def __init__(self) -> None:
        self.marks: dict[int, ItemMark] = {}
        self.asked: list[tuple[int, int]] = []
        self.opened = 0
        self.store = self

    def wall(self) -> int:
        return 60 * SECOND

    async def get_run(self, _: str) -> RunRow:
        self.opened += 1
        return run(status="Running")

    async def maps(self, ids: Collection[str]) -> list[MapRow]:
        return [MapRow(next(iter(ids)), "load", 1, 1, "v1", TOTAL, "d1", 1, None, None)]

    async def restarts(self, _: Collection[str]) -> list[RestartRow]:
        return []

    async def outcomes(self, _: Collection[str]) -> list[AttemptRow]:
        return []

    async def item_marks(self, _: str, __: str, first: int, last: int) -> list[ItemMark]:
        self.asked.append((first, last))
        return [self.marks[item] for item in range(first, last) if item in self.marks]

    def note(self, items: range, status: str = "Completed") -> None:
        """These items have come to this state."""
        end = SECOND if status == "Completed" else None
        self.marks |= {item: ItemMark(item, 1, status, 0, end, None) for item in items}

    async def look(
        self, kept: KeptCells, seen: SeenMap = SEEN
    ) -> tuple[dict[str, tuple[Cell, ...]], list[tuple[int, int]]]:
        """The cells, and the ranges that were read for them."""
        self.asked.clear()
        found = await kept.read(cast("Any", self), "r", [seen])
        return found, list(self.asked)

    async def chosen_items(self, _: str, __: str, indexes: Collection[int]) -> list[AttemptRow]:
        marks = [self.marks[item] for item in indexes if item in self.marks]
        return [
            attempt("load", status=mark.status, change='{"set": {"load": 1}}')._replace(
                item=mark.item
            )
            for mark in marks
        ]

    async def page(
        self, kept: KeptCells, status: str | None = None, after: int | None = None
    ) -> tuple[MapItems, list[tuple[int, int]]]:
        """The first or next 15 items, and the ranges that were read for them."""
        self.asked.clear()
        page = wanted("load", status, after, 15)
        return map_items(await read(cast("Any", self), "r", page, kept)), list(self.asked)


def counts(found: dict[str, tuple[Cell, ...]], *cells: int) -> list[dict[str, int]]:
    return [dict(found["load"][cell].counts) for cell in cells]


async def test_only_cells_with_items_that_have_not_ended_are_read_again() -> None:
    database, kept = Database(), KeptCells()
    database.note(range(30))
    database.note(range(15, 16), "Running")

    found, asked = await database.look(kept)
    assert asked == [(0, TOTAL)]
    assert (len(found["load"]), [cell.first for cell in found["load"]][:3]) == (CELLS, [0, 10, 20])
    assert counts(found, 0, 1, 3) == [
        {"Completed": 10},
        {"Running": 1, "Completed": 9},
        {"NotStarted": 10},
    ]

    database.note(range(15, 41))
    found, asked = await database.look(kept)
    assert asked == [(10, 20), (30, TOTAL)]
    assert counts(found, 1, 3, 4) == [
        {"Completed": 10},
        {"Completed": 10},
        {"NotStarted": 9, "Completed": 1},
    ]
    assert (await database.look(kept))[1] == [(40, TOTAL)]
    assert database.opened == 1


async def test_a_map_that_is_over_is_read_once() -> None:
    database, kept = Database(), KeptCells()
    database.note(range(30))
    await database.look(kept)
    over = SEEN._replace(is_over=True)

    assert (await database.look(kept, over))[1] == [(30, TOTAL)]
    assert (await database.look(kept, over))[1] == []


async def test_a_map_that_was_opened_again_is_read_anew() -> None:
    database, kept = Database(), KeptCells()
    database.note(range(TOTAL))
    await database.look(kept)
    assert (await database.look(kept))[1] == []

    for seen in (SEEN._replace(round=2), SEEN._replace(round=2, attempt=2)):
        assert (await database.look(kept, seen))[1] == [(0, TOTAL)]


async def test_maps_that_were_not_seen_for_long_are_forgotten() -> None:
    database, kept = Database(), KeptCells(most=1)
    database.note(range(TOTAL))
    await kept.read(cast("Any", database), "r", [SEEN])
    await kept.read(cast("Any", database), "other", [SEEN])

    assert (await database.look(kept))[1] == [(0, TOTAL)]


async def test_a_map_that_has_not_begun_has_no_cells() -> None:
    database = Database()

    assert await KeptCells().read(cast("Any", database), "r", [SEEN._replace(task="x")]) == {}


async def test_the_page_of_the_items_reads_the_cells_that_may_have_changed_alone() -> None:
    database, kept = Database(), KeptCells()
    database.note(range(35))
    database.note(range(33, 34), "Running")
    await database.look(kept)

    found, asked = await database.page(kept)
    assert asked == [(30, TOTAL)]
    assert found.counts == {"Running": 1, "NotStarted": TOTAL - 35, "Completed": 34}
    assert [each.index for each in found.items] == list(range(15))
    assert found.next == 14


async def test_the_items_of_a_state_are_looked_for_in_cells_that_have_some_alone() -> None:
    database, kept = Database(), KeptCells()
    database.note(range(35))
    database.note(range(33, 34), "Running")
    await database.look(kept)

    found, asked = await database.page(kept, "Running")
    assert asked == [(30, TOTAL), (30, 40)]
    assert [(each.index, each.status) for each in found.items] == [(33, "Running")]
    assert found.next is None

    found, asked = await database.page(kept, "Completed", after=14)
    assert asked == [(30, TOTAL), (30, 40)]
    assert [each.index for each in found.items] == list(range(15, 30))
    assert found.next == 29

    found, asked = await database.page(kept, "Completed", after=29)
    assert [each.index for each in found.items] == [30, 31, 32, 34]
    assert found.next is None
