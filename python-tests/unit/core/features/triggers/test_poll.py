"""Polls run away from the loop of the engine, and none waits for another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from cloaca_core.definition.triggers.definition import Trigger, checked
from cloaca_core.features.triggers.poll import Broke, Poll, PollOutcome, PollPlaces, Returned
from cloaca_core.values.times.clock import SYSTEM_CLOCK
from cloaca_testing.conformance.rows import trigger_row

pytestmark = pytest.mark.asyncio
PATIENCE = 60


def trigger(function: Callable[[], object]) -> Trigger:
    return checked("t", "w", None, None, None, None).of(function)


class Places:
    """Starts polls, and waits for what they come to."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.places = PollPlaces(self.loop)

    def start(self, of: Trigger) -> asyncio.Future[PollOutcome | None]:
        done: asyncio.Future[PollOutcome | None] = self.loop.create_future()
        poll = Poll(of, trigger_row(), SYSTEM_CLOCK, lambda work: done.set_result(poll.outcome))
        self.places.start(poll)
        return done

    async def poll(self, function: Callable[[], object]) -> PollOutcome | None:
        return await asyncio.wait_for(self.start(trigger(function)), PATIENCE)


@pytest_asyncio.fixture
async def places() -> AsyncIterator[Places]:
    opened = Places()
    yield opened
    opened.places.close()


async def test_what_a_function_returns_is_handed_on(places: Places) -> None:
    async def found() -> str:
        return "async"

    assert await places.poll(lambda: "sync") == Returned("sync")
    assert await places.poll(found) == Returned("async")


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
async def test_what_a_function_raises_ends_nothing(places: Places, error: BaseException) -> None:
    def fail() -> None:
        raise error

    async def fail_async() -> None:
        raise error

    assert await places.poll(fail) == Broke(error)
    assert await places.poll(fail_async) == Broke(error)
    assert await places.poll(lambda: "still here") == Returned("still here")


async def test_what_comes_out_all_the_same_is_its_failure() -> None:
    poll = Poll(trigger(lambda: None), trigger_row(), SYSTEM_CLOCK, lambda _: None)
    poll.broke(error := MemoryError())

    assert poll.outcome == Broke(error)


async def test_a_coroutine_from_a_plain_function_is_closed(places: Places) -> None:
    async def found() -> bool:
        return True

    outcome = await places.poll(lambda: found())  # warnings are errors: it was never awaited

    assert isinstance(outcome, Returned)


async def test_functions_run_on_threads_of_their_own_and_never_on_the_engines(
    places: Places,
) -> None:
    async def where() -> int:
        return threading.get_ident()

    outcomes = [await places.poll(threading.get_ident), await places.poll(where)]

    threads = {each.value for each in outcomes if isinstance(each, Returned)}
    assert len(threads) == 2
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_one_that_hangs_holds_up_no_other(places: Places, kind: str) -> None:
    entered, release = threading.Event(), threading.Event()

    def hang() -> str:
        entered.set()
        release.wait()
        return "at last"

    async def hang_async() -> str:
        return hang()  # blocks the loop that it runs on

    async def found() -> str:
        return "async"

    hanging = places.start(trigger(hang if kind == "sync" else hang_async))
    try:
        assert await asyncio.to_thread(entered.wait, PATIENCE)
        assert await places.poll(lambda: "sync") == Returned("sync")
        assert await places.poll(found) == Returned("async")
        assert not hanging.done()
    finally:
        release.set()
    assert await asyncio.wait_for(hanging, PATIENCE) == Returned("at last")


async def test_an_async_function_keeps_its_loop_from_poll_to_poll(places: Places) -> None:
    async def where() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    one, other = trigger(where), trigger(where)
    outcomes: list[Any] = [await places.start(each) for each in (one, other, one)]

    loops = [outcome.value for outcome in outcomes]
    assert loops[0] is loops[2]
    assert loops[0] is not loops[1]


async def test_the_loop_of_a_trigger_that_is_gone_ends(places: Places) -> None:
    ended: asyncio.Future[None] = places.loop.create_future()
    started: asyncio.Future[None] = places.loop.create_future()

    async def wait() -> None:
        places.loop.call_soon_threadsafe(started.set_result, None)
        try:
            await asyncio.Event().wait()
        finally:
            places.loop.call_soon_threadsafe(ended.set_result, None)

    gone = trigger(wait)
    places.start(gone)
    await asyncio.wait_for(started, PATIENCE)

    places.places.keep([gone])
    assert not ended.done()
    places.places.keep([])

    await asyncio.wait_for(ended, PATIENCE)
