"""The loop thread: it can be stopped more than once, from anywhere."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cloaca_core._engine.loop_thread import LoopThread


async def _which_thread() -> str:
    return threading.current_thread().name


def test_a_coroutine_runs_on_the_thread_of_the_loop() -> None:
    thread = LoopThread()
    thread.start()
    assert thread.submit(_which_thread()).result(10) == "cloaca-engine"
    assert not thread.is_current()
    thread.stop()


def test_stop_may_be_called_again_and_by_several_threads() -> None:
    thread = LoopThread()
    thread.start()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: thread.stop(), range(8))) == [None] * 8
    thread.stop()
    assert thread.loop.is_closed()


def test_stop_cancels_what_is_left_on_the_loop() -> None:
    thread = LoopThread()
    thread.start()
    future = thread.submit(asyncio.sleep(3600))
    thread.stop()
    assert future.cancelled()


def test_what_comes_too_late_is_cancelled_like_what_is_left() -> None:
    thread = LoopThread()
    thread.start()
    thread.stop()
    assert thread.submit(asyncio.sleep(0)).cancelled()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_what_a_stop_overtakes_on_its_way_is_cancelled(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is in the loop's queue and after: a signal handler may stop the thread anywhere."""
    thread = LoopThread()
    thread.start()
    real = thread.loop.call_soon_threadsafe

    def overtaken(*arguments: Any, **options: Any) -> Any:
        monkeypatch.undo()
        if moment == "before":
            thread.stop()
        handle = real(*arguments, **options)
        thread.stop()
        return handle

    monkeypatch.setattr(thread.loop, "call_soon_threadsafe", overtaken)
    answer = thread.submit(asyncio.sleep(3600))

    assert answer.cancelled()


def test_a_coroutine_whose_answer_is_cancelled_is_cancelled() -> None:
    thread = LoopThread()
    thread.start()
    begun, ended = threading.Event(), threading.Event()

    async def endless() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    answer = thread.submit(endless())
    assert begun.wait(10)
    answer.cancel()

    assert ended.wait(10)
    thread.stop()


def test_what_a_coroutine_raises_is_raised_by_its_answer() -> None:
    async def fail() -> None:
        raise KeyError("x")

    thread = LoopThread()
    thread.start()
    with pytest.raises(KeyError):
        thread.submit(fail()).result(10)
    thread.stop()
