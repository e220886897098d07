"""A process is killed in the middle of a run, and another one finishes that run."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from process.fleet import Fleet, Worker

FAN = ["a", *(f"w{number:02}" for number in range(50)), "z"]
TRAILS = {
    "chain": ["a", "b", "c", "d"],
    "diamond": ["a", "b", "c", "d"],
    "fan": FAN,
    "async": ["async"],
}


def kill_at(fleet: Fleet, name: str, held: list[str]) -> tuple[str, Worker]:
    """A run of which exactly these bodies were under way when its process was killed."""
    victim = fleet.start(hold=held, max_concurrent_tasks=4)
    run_id = victim.submit(name)
    for _ in held:
        victim.hear("holding")
    assert victim.kill() == -signal.SIGKILL
    return run_id, victim


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("chain", ["c"]),
        ("diamond", ["b", "c"]),
        ("diamond", ["c"]),
        ("fan", ["w17", "w31"]),
        ("async", ["async"]),
    ],
)
def test_the_next_process_finishes_the_run_and_repeats_only_what_was_cut_off(
    fleet: Fleet, name: str, held: list[str]
) -> None:
    run_id, _ = kill_at(fleet, name, held)
    recorded = fleet.query(
        "SELECT task_id FROM cloaca_attempt WHERE run_id = ? AND status = 'Completed'", run_id
    )

    rescuer = fleet.start()

    assert rescuer.result(run_id) == ("Completed", {"trail": TRAILS[name]})
    executions = fleet.executions(run_id)
    assert executions.keys() == set(TRAILS[name])
    assert all(executions[task] == 1 for (task,) in recorded)
    assert all(executions[task] == 2 for task in held)
    assert max(executions.values()) == 2


def test_what_was_recorded_before_the_kill_is_not_executed_again(fleet: Fleet) -> None:
    run_id, victim = kill_at(fleet, "chain", ["c"])

    fleet.start().result(run_id)

    mine = [entry.task_id for entry in fleet.ledger() if entry.pid == victim.pid]
    assert mine == ["a", "b", "c"]
    assert fleet.executions(run_id) == Counter({"a": 1, "b": 1, "c": 2, "d": 1})


def test_a_process_that_watches_goes_on_at_once_not_when_the_lease_ends(fleet: Fleet) -> None:
    victim = fleet.start(hold=["b"], lease_seconds=3600)
    watcher = fleet.start(lease_seconds=3600)
    run_id = victim.submit("chain")
    victim.hear("holding")

    victim.kill()

    assert watcher.result(run_id) == ("Completed", {"trail": TRAILS["chain"]})
    assert fleet.executions(run_id)["b"] == 2


def test_the_next_process_keeps_what_a_body_asked_for_and_which_attempts_count(
    fleet: Fleet,
) -> None:
    """Two attempts did not count, so two more follow, the first of them when it is due."""
    victim = fleet.start(stop="journal.after_commit:1,2,3,4,5,6,7,8,9")
    victim.tell("submit", "postponed")
    victim.await_stop()
    asked = "SELECT run_id, retry_at FROM cloaca_attempt WHERE attempt = 2 AND retry_at > 0"
    while not (found := fleet.query(asked)):
        victim.signal(signal.SIGCONT)
        victim.await_stop()
    ((run_id, due),) = found
    victim.kill()

    rescuer = fleet.start()

    assert rescuer.result(run_id) == ("Failed", {})
    mine = [entry.attempt for entry in fleet.ledger() if entry.pid == rescuer.pid]
    assert mine == [3, 4]
    third = "SELECT started_at FROM cloaca_attempt WHERE run_id = ? AND attempt = 3"
    ((begun,),) = fleet.query(third, run_id)
    assert begun >= due


def test_the_next_process_keeps_the_time_limit_that_a_run_was_given(fleet: Fleet) -> None:
    """The body that was cut off would take for ever in the second process, too."""
    victim = fleet.start(hold=["b"])
    victim.tell("limited", "chain", 2)
    (run_id,) = victim.hear("submitted")
    victim.hear("holding")
    victim.kill()

    rescuer = fleet.start(hold=["b"])

    assert rescuer.result(run_id)[0] == "Failed"
    ((code, started_at, ended_at),) = fleet.query(
        "SELECT reason_code, started_at, ended_at FROM cloaca_run WHERE id = ?", run_id
    )
    assert code == "deadline_exceeded"
    assert ended_at - started_at >= 2_000_000


@pytest.mark.parametrize(
    ("status", "held"),
    [
        ("Failed", ["w"]),  # another version
        ("Completed", ["v"]),  # the same
    ],
)
def test_the_next_process_has_the_version_or_fails_the_run_if_the_workflow_says_so(
    fleet: Fleet, status: str, held: list[str]
) -> None:
    run_id, _ = kill_at(fleet, "versioned", ["v"])

    rescuer = fleet.start(hold=held)
    rescuer.tell("release")

    assert rescuer.result(run_id)[0] == status
    codes = fleet.query("SELECT reason_code FROM cloaca_run WHERE id = ?", run_id)
    assert codes == [("version_changed" if status == "Failed" else None,)]


def test_all_runs_of_a_killed_process_are_finished(fleet: Fleet) -> None:
    victim = fleet.start(hold=["c"], max_concurrent_tasks=4)
    victim.tell("submit", "chain", 60)
    run_ids = victim.hear("submitted")
    for _ in range(4):
        victim.hear("holding")
    victim.kill()

    rescuer = fleet.start()
    rescuer.tell("results", *run_ids)

    assert rescuer.hear("results") == ["Completed"]
    statuses = fleet.query("SELECT status, count(*) FROM cloaca_run GROUP BY status")
    assert statuses == [("Completed", 60)]
    # The marks of four bodies were perhaps not committed yet.
    ((taken, again),) = fleet.query("SELECT taken_over, begun_again FROM cloaca_lost_runner")
    assert taken == 60
    assert again <= 4


def test_a_runner_id_of_its_own_can_be_used_again_after_a_kill(fleet: Fleet) -> None:
    victim = fleet.start(hold=["b"], runner_id="the-one")
    run_id = victim.submit("chain")
    victim.hear("holding")
    victim.kill()

    successor = fleet.start(runner_id="the-one")

    assert successor.result(run_id) == ("Completed", {"trail": TRAILS["chain"]})
