"""A call that a thread waits for: its first answer counts, and a caller may give up."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest

from cloaca_core.engine.runtime.parked_call import ParkedCall, UnansweredError
from cloaca_core.errors import RunnerClosedError

WAIT = 60


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
    call = ParkedCall[str]()
    call.follow(asyncio.create_task(asyncio.sleep(0, "slept")))
    await asyncio.sleep(1)

    assert call.result(0) == "slept"


async def test_it_fails_with_the_error_of_a_task() -> None:
    async def broken() -> str:
        raise LookupError("not there")

    call = ParkedCall[str]()
    call.follow(asyncio.create_task(broken()))
    await asyncio.sleep(1)

    with pytest.raises(LookupError, match="not there"):
        call.result(0)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_task_of_a_caller_that_has_given_up_is_cancelled(when: str) -> None:
    call, task = ParkedCall[None](), asyncio.create_task(asyncio.sleep(3600))
    call.is_withdrawn = when == "before"
    call.follow(task)
    if when == "after":
        call.left()
    await asyncio.sleep(1)

    assert task.cancelled()
    with pytest.raises(RunnerClosedError):
        call.result(0)
