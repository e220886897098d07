"""The items of a map, as they are shown."""

from __future__ import annotations

import json

import pytest
from model.families import run
from tables import each_row

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.maps.item_reader import OpenedMap
from cloaca_core.features.maps.openings import again_of
from cloaca_core.features.maps.records import ItemMark, MapRow
from cloaca_core.values.times.instants import SECOND
from cloaca_tools.views.run.item_states import CELLS, cell_of, share_of, standings_of
from cloaca_tools.views.run.items import Rows, map_items, wanted


def opened(
    count: int, *, status: str = "Running", is_open: bool = True, again: object = None
) -> OpenedMap:
    text = None if again is None else json.dumps(again)
    row = MapRow("r", "load", 1, 1, "v1", count, "d1", 1, None, text)
    return OpenedMap(run(status=status), row, is_open, again_of(row), None)


def mark(item: int, status: str = "Completed", *, attempt: int = 1, took: int = 1) -> ItemMark:
    ended = None if status == "Running" else took * SECOND
    retry = 9 * SECOND if status == "Waiting" else None
    return ItemMark(item, attempt, "Failed" if retry else status, 0, ended, retry)


def states(found: OpenedMap, *marks: ItemMark) -> list[str]:
    return [status for status, _ in standings_of(found, marks, 60 * SECOND)]


def test_the_latest_attempt_of_an_item_is_its_state() -> None:
    marks = [mark(0, "Failed"), mark(0, attempt=2), mark(1, "Running"), mark(2, "Waiting")]

    assert states(opened(4), *marks) == ["Completed", "Running", "Waiting", "NotStarted"]


@each_row(
    ("status", "expected"),
    [
        ("Failed", ["Completed", "Cancelled", "Failed", "Skipped"]),
        ("Cancelled", ["Completed", "Cancelled", "Cancelled", "Cancelled"]),
    ],
)
def test_no_item_of_a_map_that_is_over_goes_on(status: str, expected: list[str]) -> None:
    over = opened(4, status=status, is_open=False)

    assert states(over, mark(0), mark(1, "Running"), mark(2, "Waiting")) == expected


def test_an_attempt_before_an_item_began_anew_does_not_count() -> None:
    found = opened(2, again={"0": 2, "1": 2})

    assert states(found, mark(0), mark(1), mark(1, "Running", attempt=2)) == [
        "NotStarted",
        "Running",
    ]


def test_rows_of_more_items_than_the_map_now_has_are_history() -> None:
    assert states(opened(1), mark(0), mark(1)) == ["Completed"]


def shown(count: int, *marks: ItemMark) -> Rows:
    found, share = opened(count), share_of(count)
    states = standings_of(found, marks, 60 * SECOND)
    cells = [cell_of(first, states[first : first + share]) for first in range(0, count, share)]
    return Rows(0, found, cells, [], None, [])


def test_a_cell_counts_its_items_by_state_and_has_the_slowest() -> None:
    marks = [mark(item, took=item) for item in range(2 * CELLS)]
    marks[5] = mark(5, "Failed", took=3)

    found = map_items(shown(2 * CELLS, *marks))

    assert len(found.cells) == CELLS
    cell = found.cells[2]
    assert (cell.first, cell.slowest, cell.slowest_item) == (4, 4, 4)
    assert list(cell.counts.items()) == [("Failed", 1), ("Completed", 1)]
    assert found.slowest == 2 * CELLS - 1
    assert found.counts == {"Failed": 1, "Completed": 2 * CELLS - 1}


@each_row(("count", "cells"), [(0, 0), (1, 1), (CELLS, CELLS), (CELLS + 1, CELLS // 2 + 1)])
def test_the_strip_is_as_long_as_there_is_room(count: int, cells: int) -> None:
    found = map_items(shown(count))

    assert len(found.cells) == cells
    assert sum(sum(cell.counts.values()) for cell in found.cells) == count
    assert found.slowest is None


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ConfigError, match="status must be one of NotStarted"):
        wanted("load", "Done", None, 1)
    with pytest.raises(ConfigTypeError, match="after must be the index"):
        wanted("load", None, True, 1)
