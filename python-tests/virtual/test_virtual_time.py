"""The loop that the other tests here stand on: no time is waited for, and no test hangs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta

import pytest
from model.virtual_time import (
    BEGINNING,
    BOOT,
    StandstillError,
    VirtualClock,
    VirtualLoop,
    micros,
    the_loop,
)

from cloaca_testing import virtual_loop

pytestmark = pytest.mark.virtual_time


def run(coroutine: Coroutine[object, object, None]) -> None:
    """Run this as the tests are."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(coroutine)


async def test_timers_run_out_in_their_order_and_exactly_when_they_are_due() -> None:
    seen: list[float] = []

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds)
        seen.append(the_loop().time() - BOOT)

    await asyncio.gather(sleep(86_400.5), sleep(0.25), sleep(3600))

    assert seen == [0.25, 3600, 86_400.5]


async def test_the_wall_goes_with_the_loop_unless_it_is_set() -> None:
    clock = VirtualClock(the_loop())
    await asyncio.sleep(60)
    assert clock.wall() == micros(BEGINNING + timedelta(seconds=60))

    clock.step(-3600)
    assert clock.wall() == micros(BEGINNING - timedelta(seconds=3540))
    assert clock.monotonic() == BOOT + 60


async def test_after_a_standstill_all_timers_are_late() -> None:
    late = the_loop().create_future()
    the_loop().call_later(1, lambda: late.set_result(the_loop().time() - BOOT))

    the_loop().stand_still(500)

    assert await late == 500


async def test_a_thread_is_waited_for_and_takes_no_virtual_time() -> None:
    timer = asyncio.create_task(asyncio.sleep(3600))

    assert await asyncio.to_thread(time.thread_time) >= 0

    assert (the_loop().time(), timer.done()) == (BOOT, False)


async def test_a_descriptor_is_waited_for_within_real_work() -> None:
    reader, writer = os.pipe()
    came = asyncio.Event()
    the_loop().add_reader(reader, came.set)
    try:
        with the_loop().real_work("a byte"):
            write = the_loop().run_in_executor(None, os.write, writer, b"x")
            await came.wait()
        assert (the_loop().time(), await write) == (BOOT, 1)
    finally:
        the_loop().remove_reader(reader)
        os.close(reader)
        os.close(writer)


# -- what never comes ----------------------------------------------------------------------------


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def wait_beside_a_timer() -> None:
    def tick() -> None:
        the_loop().call_later(1, tick)

    tick()
    await asyncio.Event().wait()


async def wait_without_a_pause() -> None:
    event = asyncio.Event()
    while not event.is_set():  # noqa: ASYNC110 - such a loop is what is to be found out
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("waiting", "message"),
    [
        (
            wait_for_ever,
            r"nothing is left [^\n]*\n  wait_for_ever, line \d+ > Event.wait, line \d+",
        ),
        (wait_beside_a_timer, r"1000 timers have run out; there wait:\n  wait_beside_a_timer"),
        (
            wait_without_a_pause,
            r"passes of the loop take no time; there wait:\n  wait_without_a_pause",
        ),
    ],
)
def test_what_never_comes_fails_the_test_and_is_named(
    waiting: Callable[[], Coroutine[object, object, None]],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(virtual_loop, "MOST_JUMPS", 1000)
    with pytest.raises(StandstillError, match=message):
        run(waiting())


def test_real_work_that_never_ends_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_loop, "REAL_LIMIT", 0.01)

    async def wait() -> None:
        with the_loop().real_work("process 123"):
            await asyncio.Event().wait()

    with pytest.raises(StandstillError, match=r"0.01 s went by without process 123"):
        run(wait())


def test_a_failure_of_the_test_passes_through_and_its_tasks_end() -> None:
    left: list[asyncio.Task[None]] = []

    async def fail() -> None:
        left.append(asyncio.create_task(wait_for_ever()))
        await asyncio.sleep(1)
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        run(fail())
    assert left[0].cancelled()
