"""Which tasks of a run are listed, and in which order."""

from __future__ import annotations

from model.families import attempt, family, run, tasks, view
from tables import each_row

from cloaca_tools.ui.charts.choice import Choice, choice_of, chosen, counts
from cloaca_tools.views.run.timeline import timeline
from cloaca_tools.views.run.tree import tree

KNOWN = family(
    view(
        run(status="Failed"),
        attempt("load_a", 1, 1, 9),
        attempt("Load_B", 1, 1, 2, "Failed", retry=3),
        attempt("Load_B", 2, 3, 5, "Failed"),
        attempt("plan", 1, 1, 3),
        of=tasks(plan=[], load_a=[], Load_B=[], after=[]),
    )
)
NODES, BARS = tree(KNOWN).tasks, timeline(KNOWN, ()).bars


def listed(only: str = "", find: str = "", sort: str = "") -> list[str]:
    return [NODES[place].task_id for place in chosen(NODES, BARS, choice_of(only, find, sort))]


@each_row(
    ("only", "find", "names"),
    [
        ("", "", ["plan", "load_a", "Load_B", "after"]),
        ("failed", "", ["Load_B"]),
        ("failed,completed", "", ["plan", "load_a", "Load_B"]),
        ("", " LOAD ", ["load_a", "Load_B"]),  # in any case
        ("completed", "load", ["load_a"]),
        ("running", "", []),
        ("burning", "", ["plan", "load_a", "Load_B", "after"]),  # there is no such state
    ],
)
def test_tasks_are_chosen_by_state_and_by_a_part_of_their_name(
    only: str, find: str, names: list[str]
) -> None:
    assert listed(only, find) == names


@each_row(
    ("sort", "names"),
    [
        ("task", ["Load_B", "after", "load_a", "plan"]),
        ("-ran", ["load_a", "Load_B", "plan", "after"]),  # 8, 1 + 2 and 2 seconds
        ("ran", ["plan", "Load_B", "load_a", "after"]),  # one that has not run is last either way
        ("-attempts", ["Load_B", "plan", "load_a", "after"]),
        ("price", ["plan", "load_a", "Load_B", "after"]),
    ],
)
def test_tasks_are_sorted_by_a_column(sort: str, names: list[str]) -> None:
    assert listed(sort=sort) == names


def test_the_worst_state_is_the_first_to_be_sorted_and_counted() -> None:
    assert listed(sort="state")[0] == "Load_B"
    assert next(iter(counts(NODES).items())) == ("Failed", 1)
    assert sum(counts(NODES).values()) == 4


def test_a_column_is_sorted_one_way_then_the_other_then_not() -> None:
    once = Choice().sorted_by("ran")
    twice = once.sorted_by("ran")

    assert [once.sort, twice.sort, twice.sorted_by("ran").sort] == ["ran", "-ran", ""]
    assert once.sorted_by("task").sort == "task"
    assert [once.direction("ran"), twice.direction("ran"), once.direction("task")] == [
        "ascending",
        "descending",
        "none",
    ]
