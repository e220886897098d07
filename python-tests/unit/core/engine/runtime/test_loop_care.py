"""Loops that were broken by others are noticed, and put away without a word."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from functools import partial

import pytest
import pytest_asyncio
from model.virtual_time import VirtualLoop
from tables import each_row

from cloaca_core.engine.runtime.loop_care import (
    WAKE_PERIOD_S,
    breakdown_reason,
    has_closed,
    keep_waking,
    wake_timer,
)


def test_a_loop_that_is_kept_waking_is_woken_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = VirtualLoop()
    waits: list[float | None] = []
    real = loop._selector.select  # type: ignore[attr-defined]  # there is no other way to see it

    def select(timeout: float | None) -> object:
        if timeout != 0:
            waits.append(timeout)
        if len(waits) == 3:
            loop.stop()
        return real(timeout)

    monkeypatch.setattr(loop._selector, "select", select)  # type: ignore[attr-defined]
    keep_waking(loop)
    loop.run_forever()
    loop.close()

    assert waits == [WAKE_PERIOD_S] * 3


class TestWakeTimer:
    """Calls that wait on a program's loop share one timer."""

    async def test_any_number_of_calls_sets_one(self, timers: Timers) -> None:
        with wake_timer(), wake_timer():
            assert len(timers.callbacks) == 1

    async def test_it_goes_on_while_a_call_waits(self, timers: Timers) -> None:
        with wake_timer():
            timers.fire()
            timers.fire()
            assert len(timers.callbacks) == 1

    async def test_short_calls_one_after_the_other_set_one_in_a_period(
        self, timers: Timers
    ) -> None:
        for _ in range(3):
            with wake_timer():
                pass
        assert len(timers.callbacks) == 1

    async def test_it_ends_with_the_period_in_which_the_last_call_went(
        self, timers: Timers
    ) -> None:
        with wake_timer():
            pass
        timers.fire()
        assert timers.callbacks == []

    async def test_a_call_that_comes_later_sets_it_anew(self, timers: Timers) -> None:
        with wake_timer():
            pass
        timers.fire()
        with wake_timer():
            assert len(timers.callbacks) == 1

    async def test_a_call_that_raises_has_gone_too(self, timers: Timers) -> None:
        with pytest.raises(KeyError), wake_timer():
            raise KeyError
        timers.fire()
        assert timers.callbacks == []

    def test_it_keeps_no_loop_alive(self) -> None:
        async def wait() -> weakref.ref[asyncio.AbstractEventLoop]:
            with wake_timer():
                return weakref.ref(asyncio.get_running_loop())

        ended = asyncio.run(wait())
        gc.collect()
        assert ended() is None


class Timers:
    """Collects the callbacks that a loop is asked to call later; the test calls them."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], object]] = []

    def call_later(self, _: float, callback: Callable[..., object], *arguments: object) -> None:
        self.callbacks.append(partial(callback, *arguments))

    def fire(self) -> None:
        """Let the only one be due."""
        (callback,) = self.callbacks
        self.callbacks.clear()
        callback()


@pytest_asyncio.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    timers = Timers()
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", timers.call_later)
    return timers


def test_a_loop_that_has_ended_is_closed() -> None:
    loop = asyncio.new_event_loop()
    assert has_closed(loop)
    assert loop.is_closed()


def test_one_whose_descriptors_somebody_has_closed_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def close() -> None:
        raise OSError(9, "Bad file descriptor")

    loop = asyncio.new_event_loop()
    with monkeypatch.context() as patch:
        patch.setattr(loop, "close", close)
        assert not has_closed(loop)
    loop.close()


@each_row(
    ("error", "expected"),
    [
        (SystemExit(3), "the runner has broken down: its thread ended with SystemExit(3)"),
        (
            OSError(9, "Bad file descriptor"),
            (
                "the runner has broken down: its thread ended with OSError(9, 'Bad file "
                "descriptor'); did a task body close files or sockets that are not its own?"
            ),
        ),
    ],
)
def test_the_reason_is_what_a_person_needs(error: BaseException, expected: str) -> None:
    assert breakdown_reason("thread", error) == expected
