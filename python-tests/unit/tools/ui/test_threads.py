"""Work of one kind has threads of its own, and no asker has all of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.threads import Threads

WAIT = 60


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opens at the end at the latest, so that no thread stays."""
    gate = threading.Event()
    yield gate
    gate.set()


async def test_an_asker_leaves_threads_for_others(gate: threading.Event) -> None:
    threads = Threads("test", most=3, each=2)
    slow = [asyncio.ensure_future(threads.run("ann", gate.wait, WAIT)) for _ in range(5)]

    assert await asyncio.wait_for(threads.run("bob", int, "7"), WAIT) == 7

    gate.set()
    assert await asyncio.gather(*slow) == [True] * 5


async def test_a_request_waits_for_its_thread_no_longer_than_so(gate: threading.Event) -> None:
    threads = Threads("test", most=1, each=1, seconds=0.0)
    for _ in range(2):  # one whose function runs, one that waits for a thread
        with pytest.raises(RefusedError, match="The program is busy") as refused:
            await threads.run("ann", gate.wait, WAIT)
        assert refused.value.status == 503


async def test_a_function_that_is_late_keeps_its_thread(gate: threading.Event) -> None:
    threads, begun = Threads("test", most=2, each=1), threading.Event()

    def late() -> None:
        begun.set()
        gate.wait(WAIT)

    gone = asyncio.ensure_future(threads.run("ann", late))
    await asyncio.to_thread(begun.wait, WAIT)
    gone.cancel()
    next_ = asyncio.ensure_future(threads.run("ann", int, "7"))
    for _ in range(3):  # threads take functions in turn
        assert await threads.run("bob", int, "8") == 8
    assert not next_.done()

    gate.set()

    assert await asyncio.wait_for(next_, WAIT) == 7


async def test_a_time_out_of_the_function_is_its_own() -> None:
    def fails() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await Threads("test", most=1, each=1).run("ann", fails)
