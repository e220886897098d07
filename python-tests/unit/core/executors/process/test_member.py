"""A worker process that is started while the interpreter exits does not outlive it."""

from __future__ import annotations

import os
import signal

import pytest
from unit import calls_for_workers as calls

from cloaca_core.executors._process import member
from cloaca_core.executors._process.member import Member, WorkerProcess


@pytest.fixture(autouse=True)
def at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter exits."""
    monkeypatch.setattr(member.exit_of(os.getpid()), "begun", True)


def test_no_worker_is_started() -> None:
    with pytest.raises(RuntimeError, match="the interpreter exits"):
        Member().start(lambda error: None)


def test_a_process_that_was_being_started_is_killed() -> None:
    process = WorkerProcess(target=calls.doubled, args=(1,))
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL
