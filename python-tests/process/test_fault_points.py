"""A process dies at each named point of the engine; a fresh one finishes every accepted run.

``CLOACA_FAULT=point:n`` kills at the n-th time. A body may be executed twice only where its
process died between the body's start and the commit of its result.
"""

from __future__ import annotations

import signal

import pytest

from cloaca_core.engine.runtime.failpoints import POINTS
from process.fleet import Fleet, Worker

GRAPH = ["a", "b", "c", "d"]
AT_LEAST_ONCE = {
    "body.before",
    "body.after",
    "journal.before_commit",
    "run.before_end",
    # The commit that was just made is not the one that would have recorded what runs by now.
    "journal.after_commit",
}
"""Points between the start of a body and the commit of what it did."""
NEVER_REACHED_ALONE = {
    "claim.after_commit",
    "transaction.before_commit",
    "transaction.after_commit",
    "child.after_end",
    "map.after_open",
    "map.before_end",
    "wait.after_open",
    "wait.before_close",
    "body.left",
    "run.before_move",
    "run.after_park",
    "places.before_ask",
    "places.after_ask",
    "takeover.after_fence",
    "steer.after_level",
    "send.before_commit",
    "send.after_commit",
    "retry.before_commit",
    "retry.after_commit",
    "fork.before_commit",
    "fork.after_commit",
    "schedule.before_commit",
    "schedule.after_commit",
    "trigger.after_take",
    "trigger.before_commit",
    "trigger.after_commit",
    "prune.before_hide",
    "prune.after_hide",
    "prune.after_erase",
}
"""Points that one process on an empty database does not come to."""


def submitted(worker: Worker, name: str) -> str | None:
    """The id of the run, or None when the process died before it was accepted."""
    worker.tell("submit", name)
    try:
        return worker.hear("submitted")[0]
    except AssertionError:
        return None


def check_finished(fleet: Fleet, name: str, run_id: str | None, *, twice: bool) -> None:
    """A fresh process ends every run in the table, and no task was recorded or run too often."""
    rescuer = fleet.start()
    if run_id is None:  # not accepted: it may be there all the same, but then it must end
        found = fleet.query("SELECT id FROM cloaca_run")
        assert len(found) <= 1
        run_id = found[0][0] if found else None
    if run_id is not None:
        assert rescuer.result(run_id) == ("Completed", {"trail": GRAPH})
        rows = fleet.query("SELECT task_id, attempt, status FROM cloaca_attempt ORDER BY task_id")
        assert rows == [(task, 1, "Completed") for task in GRAPH]
        executions = fleet.executions(run_id)
        assert executions.keys() == set(GRAPH)
        assert max(executions.values()) <= (2 if twice else 1)


@pytest.mark.parametrize("name", ["chain", "diamond"])
@pytest.mark.parametrize(
    ("point", "count"),
    [
        *((point, 1) for point in POINTS if point not in NEVER_REACHED_ALONE),
        ("body.before", 3),
        ("body.after", 3),
        ("journal.before_commit", 3),
        ("journal.after_commit", 3),
    ],
)
def test_a_run_survives_a_death_at(fleet: Fleet, name: str, point: str, count: int) -> None:
    victim = fleet.start(fault=f"{point}:{count}")

    run_id = submitted(victim, name)

    assert victim.exit_code() == -signal.SIGKILL
    check_finished(fleet, name, run_id, twice=point in AT_LEAST_ONCE)


@pytest.mark.parametrize("name", ["chain", "diamond"])
def test_a_run_survives_a_death_right_after_it_was_claimed(fleet: Fleet, name: str) -> None:
    submitter = fleet.start()
    submitter.tell("stop")
    submitter.hear("stopped")
    run_id = submitter.submit(name)
    victim = fleet.launch(fault="claim.after_commit")
    assert victim.exit_code() == -signal.SIGKILL

    check_finished(fleet, name, run_id, twice=False)


@pytest.mark.parametrize("name", ["chain", "diamond"])
def test_a_run_survives_the_death_of_who_takes_it_over(fleet: Fleet, name: str) -> None:
    first = fleet.start(hold=["b"])
    run_id = first.submit(name)
    first.hear("holding")
    first.kill()
    victim = fleet.launch(fault="takeover.after_fence")
    assert victim.exit_code() == -signal.SIGKILL

    check_finished(fleet, name, run_id, twice=True)


def test_an_unknown_point_is_refused_by_name(fleet: Fleet) -> None:
    worker = fleet.launch(fault="no.such.point")

    code, errors = worker.end()

    assert code == 1
    assert "CLOACA_FAULT: 'no.such.point' is none of submit.before_commit, " in errors
