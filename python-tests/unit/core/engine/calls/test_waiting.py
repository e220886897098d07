"""A wait gives what came of the call; one that ends first says which run goes on."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import os
from collections.abc import Sequence

import pytest
from model.runs import active_run, attempt_of, graph_of
from model.virtual_time import the_loop
from tables import each_row

from cloaca_core.engine.calls.waiting import awaited, wait_for
from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.engine.runtime import loop_care
from cloaca_core.engine.runtime.thread_calls import CallFuture
from cloaca_core.errors import PipelineTimeoutError, RunnerClosedError


class _NotInTime(concurrent.futures.Future[None]):
    """One whose result does not come in time, however long that is."""

    def __init__(self) -> None:
        super().__init__()
        self.timeouts: list[float | None] = []

    def result(self, timeout: float | None = None) -> None:
        self.timeouts.append(timeout)
        raise TimeoutError


@each_row(
    ("run", "run_id", "message"),
    [
        (["r1"], "r1", r"^no end after 60 s of waiting; run r1 goes on$"),
        ([], None, r"^no answer after 60 s of waiting: it is not known whether"),
    ],
)
@pytest.mark.virtual_time
async def test_a_timeout_carries_its_facts(
    run: Sequence[str], run_id: str | None, message: str
) -> None:
    future = _NotInTime()
    beginning = the_loop().time()
    with pytest.raises(PipelineTimeoutError, match=message) as blocking:
        wait_for(future, 60, run)
    with pytest.raises(PipelineTimeoutError, match=message) as awaiting:
        await awaited(concurrent.futures.Future[None](), 60, run)

    assert (future.timeouts, the_loop().time() - beginning) == ([60], 60)
    for caught in (blocking, awaiting):
        assert (caught.value.run_id, caught.value.timeout) == (run_id, 60)


async def test_a_wait_that_the_engine_cuts_short_says_that_it_is_closed() -> None:
    future = concurrent.futures.Future[None]()
    future.cancel()

    with pytest.raises(RunnerClosedError):
        wait_for(future)
    with pytest.raises(RunnerClosedError):
        await awaited(future)


def test_an_awaiting_loop_whose_descriptors_were_closed_notices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would neither be woken by the answer nor raise."""
    monkeypatch.setattr(loop_care, "WAKE_PERIOD_S", 0.01)
    loop = asyncio.new_event_loop()
    number: int = loop._selector.fileno()  # type: ignore[attr-defined]  # a body may close it
    kept = os.dup(number)

    async def wait() -> None:
        os.close(number)
        await awaited(concurrent.futures.Future[None]())

    waiting = loop.create_task(wait())
    with pytest.raises(OSError, match="Bad file descriptor"):
        loop.run_until_complete(waiting)
    os.dup2(kept, number)
    os.close(kept)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(waiting)
    loop.close()


async def test_calls_that_wait_on_one_loop_share_what_wakes_it() -> None:
    """A callback a second for each of them would be 10,000 for 10,000 runs."""
    future = concurrent.futures.Future[str]()
    calls = [asyncio.create_task(awaited(future)) for _ in range(3)]
    await asyncio.sleep(0)
    timers = len(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]  # as above
    future.set_result("the end")

    assert await asyncio.gather(*calls) == ["the end"] * 3
    assert timers == 1


class _AtTheLastMoment(concurrent.futures.Future[str]):
    """One that gets its result when a wait for it has just ended."""

    def result(self, timeout: float | None = None) -> str:
        if not self.done():
            self.set_result("the end")
            raise TimeoutError
        return super().result(timeout)


def test_a_body_whose_wait_ended_goes_on_when_its_call_is_over() -> None:
    """Until then the engine may not have given it its slot again."""
    answer = _Joined()

    def body() -> None:
        CURRENT_WORK.set(attempt_of(active_run(graph_of(t={}))))
        with pytest.raises(PipelineTimeoutError):
            wait_for(answer, 0)

    contextvars.Context().run(body)

    assert answer.was_cancelled_when_joined


class _Joined(CallFuture[None]):
    """Says how it was when it was joined, if it was."""

    was_cancelled_when_joined = False

    def join(self) -> None:
        self.was_cancelled_when_joined = self.cancelled()


def test_an_end_at_the_last_moment_is_the_result() -> None:
    assert wait_for(_AtTheLastMoment(), 0.01) == "the end"


async def test_what_is_at_hand_is_given_however_short_the_wait() -> None:
    future = concurrent.futures.Future[str]()
    future.set_result("the end")

    assert wait_for(future, 0) == "the end"
    assert await awaited(future, 0) == "the end"


def test_a_timeout_of_the_engine_itself_passes_through() -> None:
    future = concurrent.futures.Future[None]()
    future.set_exception(TimeoutError("its own"))

    with pytest.raises(TimeoutError, match="its own") as caught:
        wait_for(future, 1)

    assert not isinstance(caught.value, PipelineTimeoutError)
