"""A run moves between runners of different queues, and a process dies at each point of the way.

The run is in one queue or in the other and never in both: each task is recorded once, and a fresh
runner of the queue goes on.
"""

from __future__ import annotations

import signal

import pytest

from process.fleet import Fleet

USUAL, GPU = ["default"], ["gpu"]
TRAIL = ["a", "b", "c"]


def check_finished(fleet: Fleet, run_id: str, status: str, context: object) -> None:
    assert (status, context) == ("Completed", {"trail": TRAIL})
    rows = fleet.query(
        "SELECT task_id, attempt, status FROM cloaca_attempt WHERE run_id = ? ORDER BY task_id",
        run_id,
    )
    assert rows == [(task, 1, "Completed") for task in TRAIL]
    assert max(fleet.executions(run_id).values()) <= 2


def test_a_run_travels_from_process_to_process_and_back(fleet: Fleet) -> None:
    usual, gpu = fleet.start(queues=USUAL), fleet.start(queues=GPU)
    run_id = usual.submit("travelling")

    check_finished(fleet, run_id, *usual.result(run_id))

    assert fleet.executions(run_id) == dict.fromkeys(TRAIL, 1)
    pids = {entry.task_id: entry.pid for entry in fleet.ledger()}
    assert pids == {"a": usual.pid, "b": gpu.pid, "c": usual.pid}


@pytest.mark.parametrize(
    ("point", "count"),
    [
        ("run.before_move", 1),
        ("journal.before_commit", 2),
        ("journal.after_commit", 2),
        ("run.after_park", 1),
    ],
)
def test_a_run_survives_the_death_of_the_runner_that_it_leaves(
    fleet: Fleet, point: str, count: int
) -> None:
    fleet.start(queues=GPU)
    victim = fleet.start(queues=USUAL, fault=f"{point}:{count}")
    victim.tell("submit", "travelling")
    assert victim.exit_code() == -signal.SIGKILL
    rescuer = fleet.start(queues=USUAL)
    ((run_id,),) = fleet.query("SELECT id FROM cloaca_run")

    check_finished(fleet, run_id, *rescuer.result(run_id))


@pytest.mark.parametrize("point", ["claim.after_commit", "run.before_move", "run.after_park"])
def test_a_run_survives_the_death_of_the_runner_that_it_comes_to(fleet: Fleet, point: str) -> None:
    victim = fleet.start(queues=GPU, fault=point)
    usual = fleet.start(queues=USUAL)
    run_id = usual.submit("travelling")
    assert victim.exit_code() == -signal.SIGKILL
    fleet.start(queues=GPU)

    check_finished(fleet, run_id, *usual.result(run_id))
