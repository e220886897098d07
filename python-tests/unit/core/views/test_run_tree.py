"""A run with the runs below it."""

from __future__ import annotations

from typing import Any

import pytest
from model.families import LATE, run

import cloaca
from cloaca_core.definition.workflow import Workflow
from cloaca_core.features.search.records import Link
from cloaca_core.values.child_kinds import NODE, node_key
from cloaca_core.views.run_tree import Lineage, RunBranch, run_branch


@pytest.fixture
def workflow() -> Workflow:
    """A workflow with a node that is a run, and a loop."""
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("flow", registry=registry) as builder:
        cloaca.child("once", "flow")
        cloaca.loop("again", "flow", until=cloaca.context_value("n", ">", 9), max_iterations=3)
    assert builder.workflow is not None
    return builder.workflow


def tree(*links: Link, of: Workflow | None = None, **rows: dict[str, Any]) -> RunBranch:
    """The tree of ``r`` and of runs below it: each by the fields of its row."""
    found = [run("r"), *[run(name, **{"parent_id": "r", **rows[name]}) for name in rows]]
    return run_branch(Lineage(LATE, found, {each.run_id: each for each in links}, {"r": of}))


def test_a_run_of_a_node_has_the_node_and_one_of_a_loop_its_iteration(workflow: Workflow) -> None:
    top = tree(
        Link("r", None, 3),
        Link("a", node_key("r", "once", 1), 0),
        Link("b", node_key("r", "again", 1, 0), 0),
        Link("c", node_key("r", "again", 1, 1), 0),
        of=workflow,
        **{name: {"child_kind": NODE} for name in "abc"},
    )

    places = [(each.task, each.iteration) for each in top.children]
    assert places == [("once", None), ("again", 1), ("again", 2)]
    assert {(each.call, each.kind) for each in top.children} == {(None, NODE)}


def test_a_run_in_whose_place_another_was_begun_stands_below_that(workflow: Workflow) -> None:
    keys = {
        "a": node_key("r", "again", 1, 0),
        "b": node_key("r", "again", 1, 1),
        "c": node_key("r", "again", 2, 1),
        "d": node_key("r", "again", 3, 1),
        "e": node_key("r", "each", 1, item=3),
        "f": node_key("r", "each", 2, item=3),
        "g": "r::load::1",
        "h": "r::load::1",
    }
    links = [Link(name, key, 0) for name, key in keys.items()]
    top = tree(*links, of=workflow, **{name: {} for name in keys})

    shown = [(each.run.id, [before.run.id for before in each.earlier]) for each in top.children]
    assert shown == [("a", []), ("d", ["b", "c"]), ("f", ["e"]), ("g", []), ("h", [])]
    assert [each.iteration for each in top.children[1].earlier] == [2, 2]


def test_a_later_iteration_is_known_without_the_definition() -> None:
    top = tree(Link("c", node_key("r", "again", 1, 1), 0), c={"child_kind": NODE})

    assert top.children[0].iteration == 2


def test_a_run_of_an_item_has_the_index_of_that() -> None:
    keys = [node_key("r", "each", 1, item=item) for item in (0, 17)]
    top = tree(Link("a", keys[0], 0), Link("b", keys[1], 0), a={}, b={})

    places = [(each.task, each.index, each.iteration) for each in top.children]
    assert places == [("each", 0, None), ("each", 17, None)]


def test_a_run_of_a_body_has_the_task_and_its_call() -> None:
    top = tree(Link("a", "r::load::2", 0), Link("b", "r::load::k=north", 0), a={}, b={})

    assert [(each.task, each.call, each.iteration) for each in top.children] == [
        ("load", "2", None),
        ("load", "north", None),
    ]


def test_a_run_with_a_key_of_its_users_has_no_place() -> None:
    top = tree(Link("r", "order 7", 1), Link("a", "mail 7", 0), a={"child_kind": "run_workflow"})

    assert (top.task, top.call, top.kind) == (None, None, None)
    assert (top.children[0].task, top.children[0].kind) == (None, "run_workflow")


def test_runs_stand_under_their_parents_which_count_those_that_are_left_out() -> None:
    top = tree(Link("r", None, 9), Link("a", None, 1), a={}, b={"parent_id": "a"})

    (a,) = top.children
    assert (top.run.id, a.run.id, [each.run.id for each in a.children]) == ("r", "a", ["b"])
    assert (top.hidden, a.hidden, a.children[0].hidden) == (8, 0, 0)
