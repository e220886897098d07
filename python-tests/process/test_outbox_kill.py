"""A process is killed around the commit of its own transaction, in which it has submitted a run."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from process.fleet import Fleet, Worker


def written(fleet: Fleet) -> tuple[Worker, str]:
    """A process with a run in a transaction that is still open; it executes none."""
    victim = fleet.start()
    victim.tell("stop")
    victim.hear("stopped")
    victim.tell("write", "chain")
    return victim, victim.hear("written")[0]


def test_before_the_commit_nothing_is_left(fleet: Fleet) -> None:
    victim, _ = written(fleet)

    assert victim.kill() == -signal.SIGKILL

    rescuer = fleet.start()
    assert rescuer.result(rescuer.submit("one")) == ("Completed", {"trail": ["a"]})
    assert fleet.query("SELECT workflow FROM cloaca_run") == [("public::embedded::one",)]
    assert Counter(entry.pid for entry in fleet.ledger()) == {rescuer.pid: 1}


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "found later"])
def test_after_the_commit_another_process_executes_the_run(fleet: Fleet, watched: bool) -> None:
    watcher = fleet.start() if watched else None
    victim, run_id = written(fleet)
    victim.tell("commit")
    victim.hear("committed")

    assert victim.kill() == -signal.SIGKILL

    rescuer = watcher or fleet.start()
    assert rescuer.result(run_id) == ("Completed", {"trail": ["a", "b", "c", "d"]})
    assert fleet.executions(run_id) == Counter("abcd")
    assert {entry.pid for entry in fleet.ledger()} == {rescuer.pid}
