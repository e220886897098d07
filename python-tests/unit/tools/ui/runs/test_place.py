"""Places on the page of a run as addresses."""

from __future__ import annotations

from dataclasses import replace

from cloaca_tools.ui.charts.choice import Choice
from cloaca_tools.ui.paths import Paths
from cloaca_tools.ui.runs.place import Place

PLACE = Place(Paths("/base"), "r", "table", "a b", "child", fold=False)


def test_a_place_is_in_its_address() -> None:
    assert PLACE.address() == "/base/runs/r?view=table&task=a+b&of=child&fold=off"


def test_the_first_chunk_can_be_named() -> None:
    assert PLACE.address(rows=0, at="then").endswith("&rows=0&at=then")


def test_another_task_keeps_the_view() -> None:
    assert PLACE.of_task("r", "c") == "/base/runs/r?view=table&task=c&fold=off"
    assert PLACE.of_task("other", "c") == "/base/runs/r?view=table&task=c&of=other&fold=off"
    assert PLACE.of_own_task("c & d") == PLACE.of_task("r", "c & d")


def test_the_addresses_of_many_tasks_lead_where_each_does() -> None:
    to_task = PLACE.to_own_tasks()
    assert to_task("c & d") == "/base/runs/r?view=table&fold=off&task=c+%26+d"


def test_another_view_and_folds_keep_the_task() -> None:
    assert PLACE.of_view("graph").startswith("/base/runs/r?view=graph&task=a+b&of=child")
    assert PLACE.folded(fold=True) == "/base/runs/r?view=table&task=a+b&of=child"


def test_the_selected_task_is_that_of_its_run() -> None:
    assert [PLACE.is_at(run, "a b") for run in ("child", "r")] == [True, False]


CHOSEN = replace(PLACE, of="", choice=Choice(("failed",), "a&b", "-ran"))


def test_a_choice_of_tasks_is_in_the_address() -> None:
    assert CHOSEN.address().endswith("&fold=off&only=failed&q=a%26b&sort=-ran")
    assert CHOSEN.of_state("skipped").endswith("&only=failed%2Cskipped&q=a%26b&sort=-ran")
    assert CHOSEN.of_all().endswith("&fold=off&sort=-ran")
    assert CHOSEN.sorted_by("ran").endswith("&q=a%26b")


def test_a_graph_lists_no_tasks_and_only_the_table_is_sorted() -> None:
    assert "sort" not in CHOSEN.of_view("timeline")
    drawn = replace(PLACE, view="graph")
    assert drawn.of_state("failed").startswith("/base/runs/r?view=timeline")


def test_a_form_has_the_rest_of_the_address() -> None:
    assert CHOSEN.fields() == [
        ("view", "table"),
        ("task", "a b"),
        ("fold", "off"),
        ("only", "failed"),
        ("sort", "-ran"),
    ]
