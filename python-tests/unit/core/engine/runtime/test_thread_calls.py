"""The result of a call: like a future's, but a thread that waits for it holds no lock. A parked
call takes its first answer, and its caller may give up.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from model.hand_clock import HandClock
from tables import each_row

from cloaca_core.engine.runtime import thread_calls as module
from cloaca_core.engine.runtime.thread_calls import (
    LOOKS_UP,
    CallFuture,
    ParkedCall,
    UnansweredError,
)
from cloaca_core.errors import RunnerClosedError

WAIT = 60


@pytest.fixture
def answer() -> CallFuture[int]:
    return CallFuture()


def test_it_is_what_was_set(answer: CallFuture[int]) -> None:
    answer.set_result(7)

    assert (answer.result(), answer.result(0), answer.exception()) == (7, 7, None)


def test_it_raises_what_was_set(answer: CallFuture[int]) -> None:
    error = KeyError("x")
    answer.set_exception(error)

    assert answer.exception(WAIT) is error
    with pytest.raises(KeyError):
        answer.result(WAIT)


def test_one_that_is_cancelled_says_so(answer: CallFuture[int]) -> None:
    answer.cancel()

    for wait in (answer.result, answer.exception):
        with pytest.raises(concurrent.futures.CancelledError):
            wait(WAIT)


def test_one_that_does_not_come_is_a_timeout(answer: CallFuture[int]) -> None:
    for wait in (answer.result, answer.exception):
        with pytest.raises(TimeoutError):
            wait(0)


def test_everybody_who_waits_gets_it(answer: CallFuture[int]) -> None:
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(answer.result, WAIT) for _ in range(4)]
        answer.set_result(7)

        assert [each.result(WAIT) for each in waiting] == [7] * 4


def test_a_wait_that_was_interrupted_takes_it_from_nobody(
    answer: CallFuture[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler may raise when the answer has just come."""
    arrival = answer._arrival

    class Interrupted:
        put = arrival.put

        def get(self, timeout: float | None) -> None:
            answer.set_result(7)
            arrival.get(timeout=timeout)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(answer, "_arrival", Interrupted())
        with pytest.raises(KeyboardInterrupt):
            answer.result(WAIT)

    assert not arrival.empty()
    assert answer.result(WAIT) == 7


def test_who_waits_holds_no_lock_that_who_answers_needs(
    answer: CallFuture[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler may come at any moment of the wait, and wait for who answers."""

    def held(*_: Any) -> None:
        raise AssertionError("the lock was taken")

    with monkeypatch.context() as patch:
        patch.setattr(answer, "_condition", held)
        with pytest.raises(TimeoutError):
            answer.result(0)


@pytest.mark.parametrize(
    ("timeout", "looks"),
    [
        (0.25, [0.25]),
        (2.25, [1.0, 1.0, 0.25]),  # it looks up meanwhile
    ],
)
def test_it_is_waited_for_as_long_as_the_timeout_says(
    answer: CallFuture[int], monkeypatch: pytest.MonkeyPatch, timeout: float, looks: list[float]
) -> None:
    clock = HandClock()
    seen: list[float] = []

    class Never:
        def get(self, timeout: float) -> None:
            seen.append(timeout)
            clock.now += timeout
            raise Empty

    monkeypatch.setattr(answer, "_arrival", Never())
    monkeypatch.setattr(module, "time", clock)
    with pytest.raises(TimeoutError):
        answer.result(timeout)

    assert seen == looks


def test_a_call_can_be_joined_when_it_has_ended_and_not_when_its_answer_is_there(
    answer: CallFuture[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()

    class Ending(SimpleQueue[None]):
        def get(self, block: bool = True, timeout: float | None = None) -> None:
            asked.set()
            super().get(block, timeout)

    monkeypatch.setattr(answer, "_end", Ending())
    with ThreadPoolExecutor(1) as pool:
        joining = pool.submit(answer.join)
        assert asked.wait(WAIT)
        answer.cancel()
        is_over = [joining.done(), not answer._end.empty()]
        answer.end()
        joining.result(WAIT)

    assert is_over == [False, False]


class _Arrival:
    """One that comes at the third look."""

    def __init__(self, answer: CallFuture[int]) -> None:
        self.looks: list[float | None] = []
        self._answer = answer

    def get(self, timeout: float | None) -> None:
        self.looks.append(timeout)
        if timeout is not None and len(self.looks) < 3:
            raise Empty
        self._answer.set_result(7)

    def put(self, nothing: None) -> None:
        """It has come."""


@pytest.mark.parametrize("timeout", [None, 3600])
def test_the_main_thread_looks_up_now_and_then(
    answer: CallFuture[int], monkeypatch: pytest.MonkeyPatch, timeout: float | None
) -> None:
    """A signal that came just before it waited would be seen when the answer comes, or never."""
    arrival = _Arrival(answer)
    monkeypatch.setattr(answer, "_arrival", arrival)

    assert answer.result(timeout) == 7
    assert arrival.looks == [LOOKS_UP] * 3


def test_any_other_thread_waits_in_one_go(
    answer: CallFuture[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrival = _Arrival(answer)
    monkeypatch.setattr(answer, "_arrival", arrival)

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(answer.result).result() == 7
    assert arrival.looks == [None]


# -- parked calls --------------------------------------------------------------------------------


def test_the_first_answer_counts() -> None:
    call = ParkedCall[str]()
    call.answer("first")
    call.fail(LookupError("too late"))

    assert call.result(WAIT) == "first"


def test_an_error_is_raised_in_the_caller() -> None:
    call = ParkedCall[str]()
    threading.Timer(0, call.fail, [LookupError("not there")]).start()

    with pytest.raises(LookupError, match="not there"):
        call.result(None)


def test_a_wait_ends_with_its_time() -> None:
    with pytest.raises(UnansweredError):
        ParkedCall[str]().result(0)


def test_a_signal_handler_runs_while_the_main_thread_waits() -> None:
    call = ParkedCall[str]()
    before = signal.signal(signal.SIGUSR1, lambda *_: call.answer("from the handler"))
    try:
        main = threading.main_thread().ident
        assert main is not None
        threading.Timer(0, signal.pthread_kill, [main, signal.SIGUSR1]).start()
        assert call.result(WAIT) == "from the handler"
    finally:
        signal.signal(signal.SIGUSR1, before)


async def test_it_is_answered_with_the_result_of_a_task() -> None:
    call, task = ParkedCall[str](), asyncio.create_task(asyncio.sleep(0, "slept"))
    call.follow(task)
    await asyncio.wait([task])

    assert call.result(0) == "slept"


async def test_it_fails_with_the_error_of_a_task() -> None:
    async def broken() -> str:
        raise LookupError("not there")

    call, task = ParkedCall[str](), asyncio.create_task(broken())
    call.follow(task)
    await asyncio.wait([task])

    with pytest.raises(LookupError, match="not there"):
        call.result(0)


@each_row("when", ["before", "after"])
async def test_the_task_of_a_caller_that_has_given_up_is_cancelled(when: str) -> None:
    call, task = ParkedCall[None](), asyncio.create_task(asyncio.sleep(3600))
    call.is_withdrawn = when == "before"
    call.follow(task)
    if when == "after":
        call.left()
    await asyncio.wait([task])

    assert task.cancelled()
    with pytest.raises(RunnerClosedError):
        call.result(0)
