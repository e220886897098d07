"""Runs are cancelled and paused from another process, at each point of what their owner is doing.

The owner stops at the point, with all its threads. Then it goes on, or is killed there, or stands
still until another process has taken its runs over.
"""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from process.fleet import Fleet, Worker

GRAPH = ["a", "b", "c", "d"]
SHORT = 0.6
"""Seconds of a lease that is to be lost."""
LONG = 60.0
"""Seconds of one that is kept, on a busy machine too."""
GRACE = 0.1
POINTS = [
    ("submit.after_commit", 1),
    ("body.before", 3),
    ("body.after", 1),
    ("body.after", 4),
    ("journal.before_commit", 2),
    ("journal.before_commit", 3),
    ("journal.after_commit", 2),
    ("journal.after_commit", 3),
    ("run.before_end", 1),
    ("run.after_end", 1),
]
FATES = ["goes on", "is killed", "stands still"]


@pytest.fixture(params=FATES)
def fate(request: pytest.FixtureRequest) -> str:
    """What becomes of the owner after the act."""
    return str(request.param)


def lease_for(fate: str) -> float:
    """Seconds of the lease of an owner with this fate."""
    return SHORT if fate == "stands still" else LONG


def stopped(
    fleet: Fleet, point: str, count: int, fate: str, name: str = "chain"
) -> tuple[Worker, str]:
    """A worker that has submitted a run and stands at a point, and the run."""
    owner = fleet.start(stop=f"{point}:{count}", lease_seconds=lease_for(fate))
    owner.tell("submit", name)
    owner.await_stop()
    ((run_id,),) = fleet.query("SELECT id FROM cloaca_run WHERE parent_id IS NULL")
    return owner, run_id


def meet(owner: Worker, fate: str) -> None:
    """Let the owner go on, or die."""
    if fate == "goes on":
        owner.signal(signal.SIGCONT)
    elif fate == "is killed":
        owner.kill()


def started(fleet: Fleet, run_id: str) -> set[str]:
    """The tasks whose bodies have begun."""
    return set(fleet.executions(run_id))


def is_as_ever(fleet: Fleet, run_id: str) -> None:
    """No result was recorded twice, and none is missing or of another owner."""
    rows = fleet.query("SELECT task_id, status FROM cloaca_attempt WHERE run_id = ?", run_id)
    counted = Counter(task for task, status in rows if status == "Completed")
    assert set(counted.values()) <= {1}
    assert {status for _, status in rows} <= {"Completed", "Cancelled", "Running", "Waiting"}


# -- cancel ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("point", "count"), POINTS)
def test_a_cancel_meets_its_run_at(fleet: Fleet, point: str, count: int, fate: str) -> None:
    other = fleet.start(lease_seconds=SHORT)
    owner, run_id = stopped(fleet, point, count, fate)
    _, changed = other.steer("cancel", run_id, GRACE)
    at_once = started(fleet, run_id)
    meet(owner, fate)
    ended = other.result(run_id)

    # An end that was committed before stands, and is what everyone is told.
    assert (ended[0], changed) in {("Cancelled", "True"), ("Completed", "False")}
    assert ended == (("Cancelled", {}) if changed == "True" else ("Completed", {"trail": GRAPH}))
    assert other.steer("cancel", run_id) == (ended[0], "False")
    assert len(started(fleet, run_id) - at_once) <= 1  # a body that was let go already
    if fate != "is killed":
        owner.signal(signal.SIGCONT)
        assert owner.result(run_id) == ended
        assert owner.end() == (0, "")
    executed = fleet.executions(run_id)
    assert other.result(other.submit("one"))[0] == "Completed"
    assert fleet.executions(run_id) == executed
    # On a busy machine, one that stands still may lose its runs before the cancel.
    ((recoveries,),) = fleet.query("SELECT recoveries FROM cloaca_run WHERE id = ?", run_id)
    assert max(executed.values(), default=1) <= 1 + int(recoveries)
    assert fate == "stands still" or recoveries == 0
    is_as_ever(fleet, run_id)


def test_a_cancel_during_the_claim(fleet: Fleet, fate: str) -> None:
    """The run is owned, and its owner has not heard of it."""
    other = fleet.start(lease_seconds=SHORT)
    other.tell("stop")
    other.hear("stopped")
    run_id = other.submit("chain")
    owner = fleet.launch(stop="claim.after_commit:1", lease_seconds=lease_for(fate))
    owner.await_stop()
    assert other.steer("cancel", run_id, GRACE) == ("Cancelling", "True")
    meet(owner, fate)

    assert other.result(run_id) == ("Cancelled", {})
    if fate != "is killed":
        owner.signal(signal.SIGCONT)
        assert owner.result(run_id) == ("Cancelled", {})
    assert len(fleet.executions(run_id)) <= 1  # the first body may begin with the claim


@pytest.mark.parametrize("rescuer_is_killed", [False, True])
def test_a_cancel_during_a_takeover(fleet: Fleet, rescuer_is_killed: bool) -> None:
    other = fleet.start(enable_recovery=False)
    owner = fleet.start(hold=["b"], lease_seconds=SHORT)
    run_id = owner.submit("chain")
    owner.hear("holding")
    owner.kill()
    rescuer = fleet.launch(stop="takeover.after_fence:1", lease_seconds=SHORT)
    rescuer.await_stop()
    assert other.steer("cancel", run_id, GRACE) == ("Cancelling", "True")
    if rescuer_is_killed:
        rescuer.kill()
        rescuer = fleet.start(lease_seconds=SHORT)
    else:
        rescuer.signal(signal.SIGCONT)

    assert other.result(run_id) == ("Cancelled", {})
    assert rescuer.result(run_id) == ("Cancelled", {})
    assert fleet.executions(run_id) == {"a": 1, "b": 1}


def test_a_cancel_is_carried_out_though_who_asked_for_it_died(fleet: Fleet) -> None:
    """Right after its commit, before anyone can have been told of it."""
    owner = fleet.start(hold=["b"])
    run_id = owner.submit("chain")
    owner.hear("holding")
    other = fleet.start(enable_recovery=False)
    other.tell("steer", "cancel", run_id, GRACE)
    while not fleet.query("SELECT 1 FROM cloaca_run WHERE id = ? AND cancel_at > 0", run_id):
        continue
    other.kill()

    assert owner.result(run_id) == ("Cancelled", {})
    owner.tell("release")
    assert owner.end() == (0, "")
    assert fleet.executions(run_id) == {"a": 1, "b": 1}


def test_of_many_callers_at_once_one_has_changed_it(fleet: Fleet) -> None:
    workers = [fleet.launch() for _ in range(4)]
    for worker in workers:
        worker.hear("ready")
    owner = fleet.start(hold=["a"])
    for _ in range(5):
        run_id = owner.submit("chain")
        owner.hear("holding")
        for worker in workers:
            worker.tell("steer", "cancel", run_id, GRACE)
        answers = [worker.hear("steered") for worker in workers]
        changed = Counter(changed for _, _, changed in answers)

        assert changed == {"True": 1, "False": 3}
        assert [worker.result(run_id) for worker in [*workers, owner]] == [("Cancelled", {})] * 5
    owner.tell("release")


def test_of_a_cancel_and_a_pause_at_once_the_cancel_is_carried_out(fleet: Fleet) -> None:
    first, second = fleet.launch(), fleet.launch()
    for worker in (first, second):
        worker.hear("ready")
    owner = fleet.start(hold=["a"])
    for _ in range(5):
        run_id = owner.submit("chain")
        owner.hear("holding")
        first.tell("steer", "cancel", run_id, GRACE)
        second.tell("steer", "pause", run_id)
        assert first.hear("steered") == ["cancel", "Cancelling", "True"]
        assert second.hear("steered")[1:] in (
            ["Paused", "True"],
            ["Cancelling", "True"],  # it was paused, and then cancelled
            ["RunStateError", "Cancelling"],
            ["RunEndedError", "Cancelled"],
        )
        assert owner.result(run_id) == second.result(run_id) == ("Cancelled", {})
    owner.tell("release")


# -- children --------------------------------------------------------------------------------------


def test_no_child_escapes_a_body_that_makes_them_all_the_time(fleet: Fleet, fate: str) -> None:
    other = fleet.start(lease_seconds=SHORT)
    owner = fleet.start(lease_seconds=lease_for(fate))
    run_id = owner.submit("maker")
    owner.hear("made")
    if fate == "stands still":
        owner.freeze()
    assert other.steer("cancel", run_id, GRACE) == ("Cancelling", "True")
    if fate == "is killed":
        owner.kill()

    assert other.result(run_id) == ("Cancelled", {})
    if fate != "is killed":
        owner.signal(signal.SIGCONT)
        assert owner.hear("unwound") == ["BodyCancelled"]
        assert owner.end() == (0, "")
    while fleet.query("SELECT 1 FROM cloaca_run WHERE ended_at IS NULL"):
        continue
    rows = fleet.query(
        "SELECT DISTINCT parent_id, status FROM cloaca_run WHERE workflow LIKE '%idle'"
    )
    assert rows == [(run_id, "Cancelled")]


# -- pause -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("point", "count"), POINTS)
def test_a_pause_meets_its_run_at(fleet: Fleet, point: str, count: int, fate: str) -> None:
    other = fleet.start(lease_seconds=SHORT)
    owner, run_id = stopped(fleet, point, count, fate)
    at_once = started(fleet, run_id)
    paused = other.steer("pause", run_id)
    if paused == ("RunEndedError", "Completed"):
        meet(owner, fate)
        assert other.result(run_id) == ("Completed", {"trail": GRAPH})
        return
    assert paused == ("Paused", "True")
    meet(owner, fate)
    at_rest = "SELECT status FROM cloaca_run WHERE id = ? AND (owner IS NULL OR ended_at > 0)"
    fleet.await_row(owner if fate == "goes on" else other, at_rest, run_id)
    found = fleet.query(at_rest, run_id)
    begun = started(fleet, run_id)
    if found == [("Completed",)]:  # its last body was under way, and left nothing to do
        assert begun == set(GRAPH)
    else:
        assert found == [("Paused",)]
        assert other.result(other.submit("one"))[0] == "Completed"
        if fate == "stands still":
            owner.signal(signal.SIGCONT)
        else:
            assert started(fleet, run_id) == begun
        assert len(started(fleet, run_id) - at_once) <= 1  # a body that was let go already
        assert other.steer("resume", run_id)[1] == "True"
    assert other.result(run_id) == ("Completed", {"trail": GRAPH})
    if fate != "is killed":
        owner.signal(signal.SIGCONT)
        assert owner.result(run_id) == ("Completed", {"trail": GRAPH})
        assert owner.end() == (0, "")
    if fate == "goes on":
        assert fleet.executions(run_id) == dict.fromkeys(GRAPH, 1)
    rows = fleet.query(
        "SELECT task_id, attempt, status FROM cloaca_attempt WHERE run_id = ?", run_id
    )
    assert sorted(rows) == [(task, 1, "Completed") for task in GRAPH]


def test_a_takeover_leaves_a_run_paused(fleet: Fleet, fate: str) -> None:
    other = fleet.start(lease_seconds=SHORT)
    owner = fleet.start(hold=["b"], lease_seconds=lease_for(fate))
    run_id = owner.submit("chain")
    owner.hear("holding")
    assert other.steer("pause", run_id) == ("Paused", "True")
    if fate == "is killed":
        owner.kill()
    elif fate == "stands still":
        owner.freeze()
    else:
        owner.tell("release")
    at_rest = "SELECT 1 FROM cloaca_run WHERE id = ? AND owner IS NULL"
    fleet.await_row(owner if fate == "goes on" else other, at_rest, run_id)
    assert other.result(other.submit("one"))[0] == "Completed"
    assert fleet.query("SELECT status FROM cloaca_run WHERE id = ?", run_id) == [("Paused",)]
    assert fleet.executions(run_id) == {"a": 1, "b": 1}

    assert other.steer("resume", run_id)[1] == "True"
    assert other.result(run_id) == ("Completed", {"trail": GRAPH})
    if fate == "stands still":
        owner.tell("release")
        owner.signal(signal.SIGCONT)
        assert owner.result(run_id) == ("Completed", {"trail": GRAPH})
