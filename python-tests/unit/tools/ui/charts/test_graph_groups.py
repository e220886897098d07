"""The graph of a run of many tasks by groups."""

from __future__ import annotations

from collections.abc import Sequence

from model.families import attempt, family, run, tasks, view

from cloaca_tools.ui.charts.fan_outs import ALL
from cloaca_tools.ui.charts.graph_groups import (
    MOST,
    GraphLine,
    graph_lines,
    units_of,
    workflow_lines,
)
from cloaca_tools.views import Graph, TaskNode
from cloaca_tools.views.run.graph import GraphEdge, GraphNode
from cloaca_tools.views.run.tree import tree

DOTS = "\N{HORIZONTAL ELLIPSIS}"


def nodes(failed: Sequence[str] = (), **needed: Sequence[str]) -> Sequence[TaskNode]:
    of = tasks(**needed)
    ends = [attempt(name, status="Failed" if name in failed else "Completed") for name in needed]
    return tree(family(view(run(status="Failed"), *ends, of=of))).tasks


def layered(failed: Sequence[str] = ()) -> Sequence[TaskNode]:
    """A plan, three tasks side by side, a task after them, and two after that."""
    return nodes(
        failed,
        plan=[],
        **{f"a{n}": ["plan"] for n in range(3)},
        joined=["a0", "a1", "a2"],
        **{f"b{n}": ["joined"] for n in range(2)},
    )


def names(lines: Sequence[GraphLine]) -> list[str]:
    return [line.name for line in lines]


def test_tasks_side_by_side_are_a_group_and_come_after_others_as_one() -> None:
    lines = graph_lines(layered(), (), None)

    assert names(lines) == ["plan", f"a0 {DOTS} a2", "joined", f"b0 {DOTS} b1"]
    assert [line.after for line in lines] == [(), (0,), (1,), (2,)]
    assert [line.counts for line in lines if not line.node] == [{"Completed": 3}, {"Completed": 2}]


def test_a_group_has_its_failed_tasks_and_the_selected_one_below_it() -> None:
    lines = graph_lines(layered(failed=["a1"]), (), "b0")

    assert names(lines) == ["plan", f"a0 {DOTS} a2", "a1", "joined", f"b0 {DOTS} b1", "b0"]
    assert [line.within for line in lines] == [None, None, 1, None, None, 4]
    assert [line.after for line in lines] == [(), (0,), (), (1,), (3,), ()]


def test_an_opened_group_has_all_its_tasks_below_it() -> None:
    assert names(graph_lines(layered(), ("a0",), None))[2:5] == ["a0", "a1", "a2"]
    assert len(graph_lines(layered(), (ALL,), None)) == 9


def test_groups_are_so_few_that_they_can_be_drawn() -> None:
    pairs: dict[str, list[str]] = {f"load{n}": [] for n in range(MOST + 1)}
    chains = nodes(**pairs, **{f"save{n}": [f"load{n}"] for n in range(MOST + 1)})
    assert [unit.name for unit in units_of(chains)] == [f"load{DOTS}", f"save{DOTS}"]

    words: dict[str, list[str]] = {f"{chr(97 + n % 26)}{n}x": [] for n in range(MOST + 1)}
    others = nodes(**words, **{f"{name}y": [name] for name in words})
    assert [len(unit.places) for unit in units_of(others)] == [MOST + 1, MOST + 1]

    long = {f"t{n}x": [f"t{n - 1}x"] if n else [] for n in range(MOST + 1)}
    bands = units_of(nodes(**long))
    assert len(bands) <= MOST
    assert sum(len(unit.places) for unit in bands) == MOST + 1


def of_workflow(**needed: Sequence[str]) -> Graph:
    return Graph(
        workflow_name="w",
        workflow="public::w",
        version="v",
        run_id=None,
        nodes=tuple([GraphNode(name, "task", None, 0, None, None, 0) for name in needed]),
        edges=tuple([GraphEdge(each, name) for name in needed for each in needed[name]]),
    )


def test_a_workflow_of_many_tasks_has_groups_with_the_selected_task() -> None:
    wide: dict[str, list[str]] = {"plan": [], **{f"b{n}": ["plan"] for n in range(MOST)}}
    lines = workflow_lines(of_workflow(**wide), (), "b7")

    assert names(lines) == ["plan", f"b0 {DOTS} b{MOST - 1}", "b7"]
    assert [(line.within, line.after) for line in lines] == [(None, ()), (None, (0,)), (1, ())]
    assert len(workflow_lines(of_workflow(**wide), ("b0",), "")) == MOST + 2
    del wide["b0"]
    assert workflow_lines(of_workflow(**wide), (), "") == []
