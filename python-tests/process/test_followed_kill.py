"""A process dies around the commit of an end that a run follows; that run is there exactly once."""

from __future__ import annotations

import signal

import pytest

from process.fleet import Fleet, Worker


def check_followed(fleet: Fleet, rescuer: Worker, run_id: str, status: str) -> None:
    """A run follows that end, once, and is executed once."""
    assert rescuer.result(run_id)[0] == status
    (follow_up,) = fleet.query(
        "SELECT id, follows_round, follows_place FROM cloaca_run WHERE follows = ?", run_id
    )
    new_id, *which = follow_up
    assert which == [1, 0]
    told_status, context = rescuer.result(new_id)
    assert told_status == "Completed"
    assert (context["run_id"], context["status"]) == (run_id, status)
    assert fleet.query("SELECT count(*) FROM cloaca_run") == [(2,)]


@pytest.mark.parametrize(
    "fault",
    [
        "body.after",
        "run.before_end",
        # The first commit is that of the submission, the second that of the end.
        "journal.before_commit:2",
        "journal.after_commit:2",
        "run.after_end",
        "body.before:2",  # of the run that follows
    ],
)
def test_an_end_is_followed_once_although_its_process_dies_at(fleet: Fleet, fault: str) -> None:
    victim = fleet.start(fault=fault)
    victim.tell("submit", "followed")
    assert victim.exit_code() == -signal.SIGKILL

    rescuer = fleet.start()

    ((run_id,),) = fleet.query("SELECT id FROM cloaca_run WHERE workflow LIKE '%followed'")
    check_followed(fleet, rescuer, run_id, "Completed")


@pytest.mark.parametrize("rescuers", [1, 3])
def test_a_run_that_is_cancelled_is_ended_and_followed_once_for_a_dead_process(
    fleet: Fleet, rescuers: int
) -> None:
    victim = fleet.start(hold=["f"])
    run_id = victim.submit("followed")
    victim.hear("holding")
    living = [fleet.start() for _ in range(rescuers)]
    assert living[0].steer("cancel", run_id, 3600) == ("Cancelling", "True")
    assert fleet.query("SELECT id FROM cloaca_run WHERE follows = ?", run_id) == []

    victim.kill()

    check_followed(fleet, living[0], run_id, "Cancelled")


def test_a_shutdown_that_ends_a_cancelled_run_is_followed_once(fleet: Fleet) -> None:
    closing = fleet.start(hold=["f"], shutdown_grace_seconds=0)
    run_id = closing.submit("followed")
    closing.hear("holding")
    other = fleet.start()
    assert other.steer("cancel", run_id, 3600) == ("Cancelling", "True")

    closing.tell("shutdown")
    closing.hear("closed")

    check_followed(fleet, other, run_id, "Cancelled")
