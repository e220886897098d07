"""A worker process: its start, the thread that reads from it, and its end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future
from multiprocessing.connection import Pipe

import pytest
from unit import calls_for_workers as calls

from cloaca_core.features.executors._process import member as module
from cloaca_core.features.executors._process.call import pack
from cloaca_core.features.executors._process.member import Lost, Member, WorkerProcess
from cloaca_core.features.executors._process.worker import Raised, Returned, serve

WAIT = 60


@pytest.fixture
def at_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter exits."""
    monkeypatch.setattr(module.exit_of(os.getpid()), "begun", True)


def started() -> Member:
    """A member that is up."""
    member, up = Member(), Future[Returned | Raised | Lost]()
    member.start(up.set_result)
    assert up.result(WAIT) == Returned(b"")
    return member


def ends(member: Member) -> bool:
    gone = threading.Event()
    member.end(gone.set)
    return gone.wait(WAIT)


def test_a_process_that_does_not_come_up_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call waits for its answers."""
    monkeypatch.setattr(module, "START_SECONDS", 0)
    member, told = Member(), Future[Returned | Raised | Lost]()
    member.start(told.set_result)

    assert told.result(WAIT) == Lost(-signal.SIGKILL)
    assert ends(member)


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_process_whose_line_breaks_ends_without_a_word(
    capfd: pytest.CaptureFixture[str], *, is_busy: bool
) -> None:
    """As where its parent was killed: its end may be noticed by the line first."""
    line, far_end = Pipe()
    with far_end:
        process = WorkerProcess(target=serve, args=(far_end,))
        process.start()
    line.recv_bytes()  # it is up
    if is_busy:
        line.send_bytes(pack(calls.doubled, (1,), {}))
    line.close()

    process.join(WAIT)

    assert (process.exitcode, capfd.readouterr().err) == (1, "")


@pytest.mark.usefixtures("at_exit")
def test_no_worker_is_started_while_the_interpreter_exits() -> None:
    with pytest.raises(RuntimeError, match="the interpreter exits"):
        Member().start(lambda _: None)


@pytest.mark.usefixtures("at_exit")
def test_a_process_that_was_being_started_is_killed() -> None:
    process = WorkerProcess(target=calls.doubled, args=(1,))
    process.start()
    process.join()

    assert process.exitcode == -signal.SIGKILL


def test_a_process_that_no_thread_can_read_from_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("no thread")

    before = set(multiprocessing.active_children())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    member = Member()
    with pytest.raises(RuntimeError, match="no thread"):
        member.start(lambda _: None)

    assert set(multiprocessing.active_children()) <= before
    assert ends(member)


def test_the_exit_of_the_interpreter_waits_for_the_thread_that_reads() -> None:
    """Also if a daemon starts it, as the threads of a runner are."""
    members = Future[Member]()
    threading.Thread(target=lambda: members.set_result(started()), daemon=True).start()
    member = members.result(WAIT)
    names = {each.name for each in threading.enumerate() if not each.daemon}

    assert "cloaca worker's answers" in names
    assert ends(member)


def test_an_idle_process_ends_though_another_holds_the_pipe_to_it() -> None:
    """As one does that was forked from this one."""
    member = started()
    held = os.dup(member._line.fileno())
    try:
        assert ends(member)
    finally:
        os.close(held)


def test_the_end_of_one_that_has_ended_is_told_at_once() -> None:
    member = started()
    assert ends(member)
    told: list[bool] = []
    member.end(lambda: told.append(True))

    assert told == [True]
