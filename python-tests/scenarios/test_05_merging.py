"""05: where branches meet, what each wrote is merged by rules that know no timing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import cloaca

Body = Callable[[cloaca.Context], object]


class Graph:
    """Runs a workflow of these tasks: id -> (dependencies, body)."""

    def __init__(self, runner: cloaca.DefaultRunner) -> None:
        self._runner = runner

    def __call__(
        self, given: dict[str, Any] | None = None, **tasks: tuple[str, Body]
    ) -> dict[str, Any]:
        with cloaca.WorkflowBuilder("merging"):
            for name, (dependencies, body) in tasks.items():
                cloaca.task(id=name, dependencies=dependencies.split(), retry_attempts=1)(body)
        return self._runner.execute("merging", given).final_context.to_dict()


@pytest.fixture
def graph(runner: cloaca.DefaultRunner) -> Graph:
    return Graph(runner)


def keep(context: cloaca.Context) -> None:
    """Change nothing."""


def fail(context: cloaca.Context) -> None:
    """Write, and then fail: what a failed body wrote does not count."""
    context["failed wrote"] = True
    raise RuntimeError("on purpose")


def writes(**values: Any) -> Body:
    return lambda context: values


def removes(key: str) -> Body:
    def body(context: cloaca.Context) -> None:
        del context[key]

    return body


# -- one writer is an ancestor of the other ------------------------------------------------------


@pytest.mark.each_backend
def test_the_later_of_two_writers_in_a_line_wins_whatever_the_order(graph: Graph) -> None:
    for order in ("base up", "up base"):
        final = graph(base=("", writes(x="old")), up=("base", writes(x="new")), join=(order, keep))
        assert final == {"x": "new"}


def test_an_untouched_copy_does_not_bring_an_old_value_back(graph: Graph) -> None:
    final = graph(
        top=("", writes(x=1)),
        changes=("top", writes(x=2)),
        keeps=("top", keep),
        join=("changes keeps", keep),
    )
    assert final == {"x": 2}


def test_a_removal_by_a_descendant_stands(graph: Graph) -> None:
    final = graph(
        {"x": 0},
        top=("", writes(x=1)),
        removes=("top", removes("x")),
        keeps=("top", keep),
        join=("removes keeps", keep),
    )
    assert final == {}


def test_the_input_is_older_than_every_write(graph: Graph) -> None:
    final = graph(
        {"x": [1], "y": 1},
        writes=("", writes(x=[2])),
        removes=("", removes("y")),
        keeps=("", keep),
        join=("writes removes keeps", keep),
    )
    assert final == {"x": [2]}


def test_an_array_grown_in_a_line_is_no_union(graph: Graph) -> None:
    final = graph(
        top=("", writes(x=[1, 2, 3])),
        shrinks=("top", writes(x=[3])),
        keeps=("top", keep),
        join=("keeps shrinks", keep),
    )
    assert final == {"x": [3]}


# -- unrelated writers ---------------------------------------------------------------------------


def test_arrays_become_a_union_in_declared_order(graph: Graph) -> None:
    final = graph(a=("", writes(x=[3, 1, 1])), b=("", writes(x=[2, 1, 4])), join=("b a", keep))
    # what an array says twice itself it may: only items that were seen are not taken again
    assert final == {"x": [2, 1, 4, 3]}


def test_items_are_compared_as_json(graph: Graph) -> None:
    final = graph(
        a=("", writes(x=[1, True, {"p": 1, "q": 2}, "1", None])),
        b=("", writes(x=[True, {"q": 2, "p": 1}, False, 0, [1], "1", None])),
        join=("a b", keep),
    )
    assert final == {"x": [1, True, {"p": 1, "q": 2}, "1", None, False, 0, [1]]}
    assert [type(item) for item in final["x"][:2]] == [int, bool]


def test_identical_arrays_stay_as_they_are(graph: Graph) -> None:
    final = graph(a=("", writes(x=[1, 1])), b=("", writes(x=[1, 1])), join=("a b", keep))
    assert final == {"x": [1, 1]}


def test_objects_merge_recursively(graph: Graph) -> None:
    final = graph(
        a=("", writes(x={"only a": 1, "both": {"list": [1], "n": 1}, "mixed": {"k": 1}})),
        b=("", writes(x={"only b": 2, "both": {"list": [2], "n": 2}, "mixed": [1]})),
        join=("a b", keep),
    )
    assert final == {
        "x": {"only a": 1, "only b": 2, "both": {"list": [1, 2], "n": 2}, "mixed": [1]}
    }


@pytest.mark.parametrize(
    ("order", "winner"),
    [
        ("a b", "from b"),  # the later declared dependency wins
        ("b a", "from a"),  # not the one that was defined later
    ],
)
def test_between_scalars_the_later_declared_wins(graph: Graph, order: str, winner: str) -> None:
    final = graph(a=("", writes(x="from a")), b=("", writes(x="from b")), join=(order, keep))
    assert final == {"x": winner}


def test_a_write_beats_an_unrelated_removal(graph: Graph) -> None:
    for order in ("writes removes", "removes writes"):
        final = graph(
            {"x": 1}, writes=("", writes(x=2)), removes=("", removes("x")), join=(order, keep)
        )
        assert final == {"x": 2}


def test_a_removal_beats_an_untouched_copy(graph: Graph) -> None:
    for order in ("keeps removes", "removes keeps"):
        final = graph(
            {"x": 1, "y": 2}, keeps=("", keep), removes=("", removes("x")), join=(order, keep)
        )
        assert final == {"y": 2}


def test_setting_the_value_that_was_there_is_no_change(graph: Graph) -> None:
    final = graph(
        {"x": 1},
        changes=("", writes(x=2)),
        same=("", writes(x=1)),
        join=("changes same", keep),
    )
    assert final == {"x": 2}


def test_the_merge_is_itself_handed_on_and_can_be_replaced(graph: Graph) -> None:
    final = graph(
        a=("", writes(x=[1])),
        b=("", writes(x=[2])),
        join=("a b", keep),
        over=("join", writes(x=[9])),
        end=("join over", keep),
    )
    assert final == {"x": [9]}


def test_a_returned_context_removes_what_it_lacks(graph: Graph) -> None:
    final = graph(
        {"x": 1, "y": 1},
        whole=("", lambda context: cloaca.Context({"y": 2})),
        keeps=("", keep),
        join=("whole keeps", keep),
    )
    assert final == {"y": 2}


# -- the final context ---------------------------------------------------------------------------


def test_several_leaves_are_merged_in_definition_order(graph: Graph) -> None:
    final = graph(
        second=("first", writes(who="second", seen=["second"])),
        first=("", writes(top=True)),
        third=("first", writes(who="third", seen=["third"])),
    )
    assert final == {"top": True, "who": "third", "seen": ["second", "third"]}


def test_the_input_comes_back_when_nothing_completed(graph: Graph) -> None:
    assert graph({"given": 1}, only=("", fail), after=("only", writes(x=1))) == {"given": 1}


def test_a_failed_task_hands_on_what_it_was_given(graph: Graph) -> None:
    final = graph({"in": 0}, top=("", writes(x=1)), bad=("top", fail))
    assert final == {"in": 0, "x": 1}


def test_a_skipped_task_hands_on_what_it_was_given(graph: Graph) -> None:
    final = graph(
        top=("", writes(x=1)), bad=("top", fail), skipped=("bad", writes(x=2)), other=("", keep)
    )
    assert final == {"x": 1}


def test_what_came_from_further_up_survives_a_failure(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("survives"):
        cloaca.task(id="top")(writes(x=1))
        cloaca.task(id="bad", dependencies=["top"], retry_attempts=1)(fail)
        cloaca.task(id="clean_up", dependencies=["bad"], trigger_rules=cloaca.always())(
            lambda context: {"saw": context["x"], "keys": list(context)}
        )
    result = runner.execute("survives")
    assert result.final_context.to_dict() == {"x": 1, "saw": 1, "keys": ["x"]}


def test_the_same_run_gives_the_same_context_whatever_the_timing(graph: Graph) -> None:
    def finals() -> str:
        return str(
            graph(
                {"log": []},
                **{f"t{i}": ("", writes(log=[i], last=i, at={str(i % 3): [i]})) for i in range(12)},
                join=(" ".join(f"t{i}" for i in reversed(range(12))), keep),
            )
        )

    assert {finals() for _ in range(5)} == {
        str(
            {
                "log": list(reversed(range(12))),
                "last": 0,
                "at": {"2": [11, 8, 5, 2], "1": [10, 7, 4, 1], "0": [9, 6, 3, 0]},
            }
        )
    }
