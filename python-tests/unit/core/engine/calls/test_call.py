"""A call is sent when it is waited for, by blocking or awaiting, and read on that thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.errors import PipelineTimeoutError, RunnerClosedError, RunnerUsageError


class Engine:
    """Answers every call with a number of its own, or raises."""

    def __init__(self) -> None:
        self.sent = 0
        self.failure: Exception | None = None

    def send(self) -> concurrent.futures.Future[int]:
        self.sent += 1
        future = concurrent.futures.Future[int]()
        if self.failure is None:
            future.set_result(self.sent)
        else:
            future.set_exception(self.failure)
        return future


class Silent(Engine):
    """Answers nothing."""

    def send(self) -> concurrent.futures.Future[int]:
        self.sent += 1
        return concurrent.futures.Future[int]()


@pytest.fixture
def engine() -> Engine:
    return Engine()


def never(_: object) -> str:
    raise AssertionError("there was nothing to read")


# -- sending -------------------------------------------------------------------------------------


async def test_a_call_is_sent_when_it_is_waited_for_and_not_before(engine: Engine) -> None:
    first, second = Call(engine.send, unchanged), Call(engine.send, unchanged)
    assert engine.sent == 0

    assert [await second, first.wait()] == [1, 2]


async def test_an_awaited_call_may_be_a_task_of_its_own(engine: Engine) -> None:
    async def waits() -> int:
        return await Call(engine.send, unchanged)

    assert sorted(await asyncio.gather(waits(), waits())) == [1, 2]


async def test_the_answer_is_read_on_the_thread_that_waits(engine: Engine) -> None:
    def read(answer: int) -> tuple[int, threading.Thread]:
        return answer, threading.current_thread()

    here = threading.current_thread()
    assert Call(engine.send, read).wait() == (1, here)
    assert await Call(engine.send, read) == (2, here)


async def test_an_error_of_the_engine_passes_through_unread(engine: Engine) -> None:
    engine.failure = RunnerClosedError("closed")

    with pytest.raises(RunnerClosedError, match="closed"):
        Call(engine.send, never).wait()
    with pytest.raises(RunnerClosedError, match="closed"):
        await Call(engine.send, never)


async def test_a_wait_that_ends_first_names_the_run_that_is_known_by_then() -> None:
    """``execute`` hears its run's id while it waits."""
    run: list[str] = []

    class Accepts(Silent):
        def send(self) -> concurrent.futures.Future[int]:
            run[:] = ["r"]
            return super().send()

    with pytest.raises(PipelineTimeoutError) as blocking:
        Call(Accepts().send, never, timeout=0, run=run).wait()
    run.clear()
    with pytest.raises(PipelineTimeoutError) as awaiting:
        await Call(Accepts().send, never, timeout=0, run=run)

    for caught in (blocking, awaiting):
        assert (caught.value.run_id, caught.value.timeout) == ("r", 0)


# -- at hand -------------------------------------------------------------------------------------


async def test_a_result_that_is_at_hand_is_neither_asked_for_nor_read(engine: Engine) -> None:
    assert Call(engine.send, never, at_hand=lambda: "known").wait() == "known"
    assert await Call(engine.send, never, at_hand=lambda: "known") == "known"
    assert engine.sent == 0


async def test_it_is_looked_for_when_the_call_is_waited_for(engine: Engine) -> None:
    found: list[str] = []
    calls = [Call(engine.send, str, at_hand=lambda: found[0] if found else None) for _ in range(2)]

    assert calls[0].wait() == "1"
    found.append("known")
    assert await calls[1] == "known"


# -- from bodies ---------------------------------------------------------------------------------


@pytest.fixture
def attempt() -> Attempt:
    attempt = Attempt.__new__(Attempt)
    attempt.owner = SimpleNamespace(cancelled=False)  # type: ignore[assignment]  # all that is asked
    attempt.task = SimpleNamespace(id="load", transactional=False)  # type: ignore[assignment]  # as above
    return attempt


async def test_on_the_loop_of_async_bodies_a_call_is_awaited_only(
    engine: Engine, attempt: Attempt
) -> None:
    looked: list[str] = []
    attempt.is_async = True
    token = CURRENT_WORK.set(attempt)
    try:
        with pytest.raises(RunnerUsageError, match="use an AsyncRunner and await the call"):
            Call(engine.send, str, at_hand=lambda: looked.append("looked")).wait()
        assert (engine.sent, looked) == (0, [])
        assert await Call(engine.send, unchanged) == 1
    finally:
        CURRENT_WORK.reset(token)


def test_a_thread_body_may_block(engine: Engine, attempt: Attempt) -> None:
    attempt.is_async = False
    token = CURRENT_WORK.set(attempt)
    try:
        assert Call(engine.send, unchanged).wait() == 1
    finally:
        CURRENT_WORK.reset(token)


async def test_it_is_sent_in_the_context_that_waits(attempt: Attempt) -> None:
    """So the engine hears which body gives its slot away meanwhile."""
    seen: list[object] = []

    def send() -> concurrent.futures.Future[int]:
        seen.append(CURRENT_WORK.get())
        return Engine().send()

    attempt.is_async = False
    calls: list[Callable[[], object]] = [Call(send, unchanged).wait]
    awaiting = Call(send, unchanged)
    token = CURRENT_WORK.set(attempt)
    try:
        for call in calls:
            call()
        await awaiting
    finally:
        CURRENT_WORK.reset(token)

    assert seen == [attempt, attempt]
