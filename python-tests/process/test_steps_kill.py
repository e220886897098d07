"""A process is killed between the steps of a body; no step whose value was kept is called again."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from process.fleet import Fleet

STEPS = ["s1", "s2", "s3", "s4"]
BOTH = pytest.mark.parametrize("name", ["stepped", "stepped-async"])


@BOTH
def test_the_next_process_calls_only_what_was_cut_off(fleet: Fleet, name: str) -> None:
    victim = fleet.start(hold=["s3"])
    run_id = victim.submit(name)
    victim.hear("holding")
    assert victim.kill() == -signal.SIGKILL

    rescuer = fleet.start()

    assert rescuer.result(run_id) == ("Completed", {"trail": STEPS})
    expected = Counter({"t": 2, "s1": 1, "s2": 1, "s3": 2, "s4": 1})
    assert fleet.executions(run_id) == expected


@BOTH
@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("point", ["journal.before_commit", "journal.after_commit"])
def test_a_step_whose_value_was_kept_is_not_called_again_after_a_death_at(
    fleet: Fleet, name: str, point: str, count: int
) -> None:
    """The first commit is that of the submission, the others are those of the steps."""
    victim = fleet.start(fault=f"{point}:{count}")
    victim.tell("submit", name)
    assert victim.exit_code() == -signal.SIGKILL
    ((run_id,),) = fleet.query("SELECT id FROM cloaca_run")
    kept = fleet.query("SELECT value FROM cloaca_memo WHERE run_id = ?", run_id)
    before = fleet.executions(run_id)

    rescuer = fleet.start()

    assert rescuer.result(run_id) == ("Completed", {"trail": STEPS})
    executions = fleet.executions(run_id)
    assert all(executions[value.strip('"')] == 1 for (value,) in kept)
    assert sum(executions[step] for step in STEPS) <= len(STEPS) + 1
    # What was called and not kept is what the death has cost.
    assert sum(before[step] for step in STEPS) - len(kept) in (0, 1)


def test_a_body_that_comes_further_each_time_is_not_taken_for_poison(fleet: Fleet) -> None:
    """Each process dies once it has kept one more value; a task may take down one."""
    victim = fleet.start(hold=["s1"], max_recovery_attempts=1)
    run_id = victim.submit("stepped")
    fleet.await_row(victim, "SELECT 1 FROM cloaca_attempt WHERE run_id = ?", run_id)
    victim.result(victim.submit("one"))  # the commit of that row is over
    victim.tell("die", "journal.after_commit")
    victim.hear("dying")
    victim.tell("release")
    assert victim.exit_code() == -signal.SIGKILL
    for _ in STEPS[1:]:  # the first commit is that of the start mark
        victim = fleet.launch(fault="journal.after_commit:2", max_recovery_attempts=1)
        assert victim.exit_code() == -signal.SIGKILL

    rescuer = fleet.start(max_recovery_attempts=1)

    assert rescuer.result(run_id) == ("Completed", {"trail": STEPS})
    steps = {step: fleet.executions(run_id)[step] for step in STEPS}
    assert steps.pop("s1") == 1
    assert max(steps.values()) <= 2


def test_a_process_that_lost_its_run_keeps_nothing_more(fleet: Fleet) -> None:
    """It is stopped within a call, and goes on when another process has finished the run."""
    stopped = fleet.start(hold=["s3"], lease_seconds=2)
    run_id = stopped.submit("stepped")
    stopped.hear("holding")
    stopped.freeze()
    rescuer = fleet.start(lease_seconds=2)
    assert rescuer.result(run_id) == ("Completed", {"trail": STEPS})
    memos = "SELECT name, number, attempt, value, created_at FROM cloaca_memo ORDER BY number"
    kept = fleet.query(memos)

    stopped.signal(signal.SIGCONT)
    stopped.tell("release")

    assert stopped.result(run_id) == ("Completed", {"trail": STEPS})
    assert stopped.end()[0] == 0
    assert fleet.query(memos) == kept
    mine = Counter(each.task_id for each in fleet.ledger() if each.pid == stopped.pid)
    assert mine == Counter(["t", "s1", "s2", "s3"])
