"""A parent that waits for its child is killed with it, and neither is lost or started twice."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from process.fleet import Fleet, Worker

MARKED = "SELECT 1 FROM cloaca_attempt WHERE run_id = ? AND status IN ('Running', 'Waiting')"


def kill_both_while_they_run(fleet: Fleet, victim: Worker, parent: str, child: str) -> None:
    """Kill a process when the starts of parent and child are on disk."""
    fleet.await_row(victim, MARKED, parent)
    fleet.await_row(victim, MARKED, child)
    victim.kill()


def test_the_child_is_found_again_by_its_key(fleet: Fleet) -> None:
    victim = fleet.start(hold=["a"])
    parent = victim.submit("parent")
    _, child = victim.hear("holding")
    victim.kill()

    rescuer = fleet.start()

    expected = {"child_status": "Completed", "trail": ["a", "p"]}
    assert rescuer.result(parent) == ("Completed", expected)
    assert fleet.query("SELECT count(*) FROM cloaca_run") == [(2,)]
    assert fleet.executions(parent) == Counter({"p": 2})
    assert fleet.executions(child) == Counter({"a": 2})


def test_children_that_a_handle_has_submitted_are_found_again(fleet: Fleet) -> None:
    victim = fleet.start(hold=["s"])
    parent = victim.submit("submitter")
    victim.hear("holding")
    victim.kill()

    rescuer = fleet.start()

    assert rescuer.result(parent) == ("Completed", {"children": ["Completed"] * 3})
    children = "SELECT count(*) FROM cloaca_run WHERE parent_id = ?"
    assert fleet.query(children, parent) == [(3,)]
    assert fleet.executions(parent) == Counter({"s": 2})


@pytest.mark.parametrize("places", [1, 1000])
def test_parent_and_child_go_on_although_both_were_cut_off(fleet: Fleet, places: int) -> None:
    """Neither waits for the other: not as suspects, not for a place, not for a slot."""
    victim = fleet.start(hold=["a"])
    parent = victim.submit("parent")
    _, child = victim.hear("holding")
    kill_both_while_they_run(fleet, victim, parent, child)

    rescuer = fleet.start(max_concurrent_tasks=1, max_active_runs=places)

    assert rescuer.result(parent)[0] == "Completed"


def test_a_parent_is_not_blamed_for_what_its_child_does(fleet: Fleet) -> None:
    worker = fleet.start(max_recovery_attempts=1)
    worker.tell("submit", "parent", 1, "poison")
    worker.exit_code()  # it may be dead before it has said which run that was
    ((parent,),) = fleet.query("SELECT id FROM cloaca_run WHERE workflow LIKE '%::parent'")
    worker = fleet.launch(max_recovery_attempts=1)
    while (answer := worker.result_or_death(parent)) is None:
        # Not start(): it takes over as it opens, and may be dead before it says that it is ready.
        worker = fleet.launch(max_recovery_attempts=1)

    assert answer == ("Completed", {"child": "poison", "child_status": "Failed", "trail": ["p"]})
    of_parent = "SELECT attempt, error_message FROM cloaca_attempt WHERE run_id = ?"
    assert fleet.query(of_parent, parent) == [(1, None)]
    assert {worker.exit_code() for worker in fleet.workers[:-1]} == {-signal.SIGKILL}
    # Two deaths while it is no suspect, two alone, and the first one perhaps without a mark.
    assert len(fleet.workers) - 1 in (4, 5)


@pytest.mark.parametrize("levels", [1, 2])
def test_a_tree_is_paused_and_resumed_although_a_process_dies_between_two_levels(
    fleet: Fleet, levels: int
) -> None:
    """Each dies once it has brought so many levels of children into step with those above."""
    fault = f"steer.after_level:{levels}"
    victim = fleet.start(hold=["a"], fault=fault)
    top = victim.submit("parent", 1, "parent")
    victim.hear("holding")
    victim.tell("steer", "pause", top)
    assert victim.exit_code() == -signal.SIGKILL

    second = fleet.start(hold=["a"])
    await_statuses(fleet, ["Paused"] * 3)
    second.kill()
    third = fleet.start(hold=["a"], fault=fault)
    third.tell("steer", "resume", top)
    assert third.exit_code() == -signal.SIGKILL

    last = fleet.start()
    assert last.result(top)[0] == "Completed"
    await_statuses(fleet, ["Completed"] * 3)


def await_statuses(fleet: Fleet, wanted: list[str]) -> None:
    """Return when all runs have these states."""
    while [status for (status,) in fleet.query("SELECT status FROM cloaca_run")] != wanted:
        pass
