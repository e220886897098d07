"""The strip of the items of a map."""

from __future__ import annotations

from cloaca_tools.ui.charts.item_strip import item_strip
from cloaca_tools.views.run.item_states import Cell


def test_the_slowest_item_is_the_highest_and_few_items_stay_narrow() -> None:
    strip = item_strip([Cell(0, {"Completed": 1}, 4.0, 0), Cell(1, {"Completed": 1}, 1.0, 1)])

    assert strip.width == 200
    assert strip.bars == (("completed", "M0 0h8v30h-8zM10 11h8v19h-8z"),)


def test_failed_items_stand_on_top_and_are_high_enough_to_be_seen() -> None:
    strip = item_strip([Cell(0, {"Failed": 1, "Completed": 999}, 1.0, 0)])

    assert dict(strip.bars) == {"failed": "M0 0h8v10h-8z", "completed": "M0 10h8v20h-8z"}
    assert strip.failed == 1


def test_a_failed_item_is_seen_in_a_cell_of_quick_items() -> None:
    quick, slow = {"Failed": 1, "Completed": 9}, {"Completed": 10}
    strip = item_strip([Cell(0, quick, 0.0, 0), Cell(10, slow, 100.0, 10)])

    assert dict(strip.bars)["failed"] == "M0 10h8v10h-8z"


def test_items_that_have_not_begun_are_a_dash() -> None:
    strip = item_strip(
        [Cell(0, {"Running": 1, "NotStarted": 1}, 0.0, 0), Cell(2, {"Skipped": 2}, 0.0, 2)]
    )

    assert dict(strip.bars) == {"running": "M0 0h8v30h-8z"}
    assert strip.dashes == "M10 30h8"
