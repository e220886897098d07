"""Owners of a parent and of its children are killed; each child runs once, and is waited for."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from process.fleet import Fleet, Worker

TRAILS = {"trails": [["x", "a"], ["y", "a"]]}
BOTH = pytest.mark.parametrize("name", ["caller", "caller-async"])
SHORT = 0.6
"""Seconds of a lease that is to be lost."""


def one_place(fleet: Fleet, **settings: Any) -> Worker:
    """A worker for a parent alone: the parent takes the only place until it waits, and it does not
    wait before the line ``release``. So its first child is another's.
    """
    return fleet.start(hold=["started"], lease_seconds=SHORT, max_active_runs=1, **settings)


def each_child_ran_once(fleet: Fleet, parent: str) -> None:
    """There are two children, each has one recorded success, and its end was told once."""
    children = fleet.query("SELECT id, status FROM cloaca_run WHERE parent_id = ?", parent)
    assert [status for _, status in children] == ["Completed"] * 2
    completed = fleet.query(
        "SELECT run_id FROM cloaca_attempt WHERE status = 'Completed' AND run_id <> ?", parent
    )
    assert Counter(completed) == Counter((run_id,) for run_id, _ in children)
    told = fleet.query("SELECT name FROM cloaca_message WHERE run_id = ?", parent)
    assert Counter(told) == Counter((run_id,) for run_id, _ in children)
    assert fleet.query("SELECT 1 FROM cloaca_wait WHERE run_id = ?", parent) == []


@pytest.mark.parametrize("evict", [0, 10], ids=["leaving", "staying"])
@pytest.mark.parametrize(
    "point",
    [
        # A busy machine writes more with one commit: the later ones may not come.
        *(f"journal.before_commit:{count}" for count in (2, 3, 5)),
        *(f"journal.after_commit:{count}" for count in (1, 2, 3, 5)),
        "child.after_end:1",
        "child.after_end:2",
        "wait.after_open:1",
        "wait.before_close:1",
    ],
)
def test_a_runner_that_has_parent_and_children_is_killed_at(
    fleet: Fleet, point: str, evict: float
) -> None:
    victim = fleet.start(fault=point, evict_after_seconds=evict)
    victim.tell("submit", "caller")
    victim.exit_code()
    ((parent,),) = fleet.query("SELECT id FROM cloaca_run WHERE parent_id IS NULL")

    rescuer = fleet.start(evict_after_seconds=evict)

    assert rescuer.result(parent) == ("Completed", TRAILS)
    each_child_ran_once(fleet, parent)


@pytest.mark.parametrize(
    "point",
    [
        *(f"journal.before_commit:{count}" for count in (2, 4, 6)),
        *(f"journal.after_commit:{count}" for count in (1, 2, 4, 6)),
        "child.after_end:1",
        "child.after_end:2",
        "wait.after_open:1",
        "wait.after_open:2",
        "wait.before_close:1",
    ],
)
@pytest.mark.parametrize("name", ["nested", "looping"])
def test_a_runner_that_has_a_run_of_nodes_and_their_children_is_killed_at(
    fleet: Fleet, name: str, point: str
) -> None:
    victim = fleet.start(fault=point)
    victim.tell("submit", name)
    victim.exit_code()
    ((parent,),) = fleet.query("SELECT id FROM cloaca_run WHERE parent_id IS NULL")

    rescuer = fleet.start()

    nodes = {"first": {"trail": ["x", "a"]}, "second": {"trail": ["x", "a", "a"]}}
    if name == "looping":
        nodes = {"first": {"trail": ["x", "a", "a"]}}
    assert rescuer.result(parent) == ("Completed", nodes)
    each_child_ran_once(fleet, parent)


def test_a_runner_is_killed_right_after_the_commit_that_opens_the_next_node(fleet: Fleet) -> None:
    """The end of the first node and the second node with its child are durable together."""
    victim = fleet.start(fault="journal.after_commit:4")
    victim.tell("submit", "nested")
    victim.exit_code()
    ((parent,),) = fleet.query("SELECT id FROM cloaca_run WHERE parent_id IS NULL")
    marks = "SELECT task_id, status FROM cloaca_attempt WHERE run_id = ? ORDER BY task_id"
    assert fleet.query(marks, parent) == [("first", "Completed"), ("second", "Waiting")]
    children = "SELECT status FROM cloaca_run WHERE parent_id = ? ORDER BY status"
    assert fleet.query(children, parent) == [("Completed",), ("Running",)]

    rescuer = fleet.start()

    assert rescuer.result(parent)[0] == "Completed"
    each_child_ran_once(fleet, parent)


@pytest.mark.parametrize(
    "point",
    [
        "map.after_open:1",
        "map.before_end:1",
        *(f"journal.before_commit:{count}" for count in (2, 3)),
        *(f"journal.after_commit:{count}" for count in (1, 2, 3)),
        "child.after_end:1",
        "child.after_end:2",
        "wait.after_open:1",
        "wait.after_open:2",
        "wait.before_close:1",
        "wait.before_close:2",
    ],
)
def test_a_runner_that_has_a_map_of_runs_and_its_children_is_killed_at(
    fleet: Fleet, point: str
) -> None:
    victim = fleet.start(fault=point)
    victim.tell("submit", "mapped-runs")
    victim.exit_code()
    ((parent,),) = fleet.query("SELECT id FROM cloaca_run WHERE parent_id IS NULL")

    rescuer = fleet.start()

    results = [{"trail": ["x", "a"]}, {"trail": ["y", "a"]}]
    assert rescuer.result(parent) == ("Completed", {"each": results})
    each_child_ran_once(fleet, parent)


def test_the_owner_of_a_map_of_runs_is_killed_while_its_children_wait_to_run(fleet: Fleet) -> None:
    """Their rows are in the table, and nobody has begun them: the next owner starts no others."""
    victim = fleet.start(max_active_runs=1, evict_after_seconds=60, hold=["a"])
    parent = victim.submit("mapped-runs")
    made = "SELECT count(*) FROM cloaca_run WHERE parent_id = ? HAVING count(*) = 2"
    fleet.await_row(victim, made, parent)
    victim.kill()

    rescuer = fleet.start()

    results = [{"trail": ["x", "a"]}, {"trail": ["y", "a"]}]
    assert rescuer.result(parent) == ("Completed", {"each": results})
    each_child_ran_once(fleet, parent)


@BOTH
@pytest.mark.parametrize("evict", [0, 10], ids=["leaving", "staying"])
def test_the_owner_of_the_parent_is_killed_while_others_run_its_children(
    fleet: Fleet, name: str, evict: float
) -> None:
    other = fleet.start(hold=["a"], lease_seconds=SHORT)
    victim = one_place(fleet, evict_after_seconds=evict)
    parent = victim.submit(name)
    other.hear("holding")
    victim.tell("release")
    while not fleet.query("SELECT 1 FROM cloaca_wait WHERE run_id = ?", parent):
        continue
    victim.kill()

    other.tell("release")
    status = other.result(parent)

    assert status == ("Completed", TRAILS)
    each_child_ran_once(fleet, parent)


@BOTH
@pytest.mark.parametrize("fate", ["holding", "child.after_end:1"])
def test_the_owner_of_a_child_is_killed_while_the_parent_waits_elsewhere(
    fleet: Fleet, name: str, fate: str
) -> None:
    """Before the child has ended, or when its end is in the table and nobody has heard of it."""
    if fate == "holding":
        victim = fleet.start(hold=["a"], lease_seconds=SHORT)
    else:
        victim = fleet.start(fault=fate, lease_seconds=SHORT)
    owner = one_place(fleet)
    parent = owner.submit(name)
    if fate == "holding":
        victim.hear("holding")
        owner.tell("release")
        victim.kill()
    else:
        victim.exit_code()
        owner.tell("release")

    assert owner.result(parent) == ("Completed", TRAILS)
    each_child_ran_once(fleet, parent)
