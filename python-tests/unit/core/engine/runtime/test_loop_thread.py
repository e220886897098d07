"""The loop thread: it can be stopped more than once, from anywhere."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
from model.interleaved import interleaved
from model.quiet import quiet
from tables import each_row

from cloaca_core.engine.runtime import loop_care
from cloaca_core.engine.runtime.loop_thread import LoopThread, Mailbox
from cloaca_core.engine.runtime.thread_calls import ParkedCall
from cloaca_core.errors import RunnerClosedError

WAIT = 60
BROKEN = r"^the runner has broken down: its engine thread ended with SystemExit\(3\)$"


async def _which_thread() -> str:
    return threading.current_thread().name


def test_a_coroutine_runs_on_the_thread_of_the_loop() -> None:
    thread = LoopThread()
    thread.start()
    assert thread.submit(_which_thread()).result(WAIT) == "cloaca-engine"
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


def test_stop_cancels_a_call_that_waits_for_tasks_of_tasks() -> None:
    async def deep(levels: int) -> None:
        await (asyncio.gather(deep(levels - 1)) if levels else asyncio.sleep(3600))

    thread = LoopThread()
    thread.start()
    future = thread.submit(deep(4))
    thread.submit(asyncio.sleep(0)).result(WAIT)
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
    assert begun.wait(WAIT)
    answer.cancel()

    assert ended.wait(WAIT)
    thread.stop()


def test_what_a_coroutine_raises_is_raised_by_its_answer() -> None:
    async def fail() -> None:
        raise KeyError("x")

    thread = LoopThread()
    thread.start()
    with pytest.raises(KeyError):
        thread.submit(fail()).result(WAIT)
    thread.stop()


class TestDeath:
    """An exception ends the loop: all callers that wait are told, and none waits for ever."""

    def test_what_waits_and_what_comes_later_is_told(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        thread = LoopThread()
        thread.start()
        waiting = [thread.submit(asyncio.sleep(3600)) for _ in range(2)]
        die(thread)

        for answer in (*waiting, thread.submit(asyncio.sleep(0))):
            with pytest.raises(RunnerClosedError, match=BROKEN):
                answer.result(WAIT)
            answer.join()  # as a body does whose wait has ended first
        thread.stop()
        thread.stop()
        assert capfd.readouterr() == ("", "")

    def test_what_was_on_its_way_is_told(self, capfd: pytest.CaptureFixture[str]) -> None:
        """It has not begun, and never will."""
        thread = LoopThread()
        thread.start()
        reached, go_on = threading.Event(), threading.Event()

        def leave_later() -> None:
            reached.set()
            go_on.wait(WAIT)
            leave()

        thread.loop.call_soon_threadsafe(leave_later)
        assert reached.wait(WAIT)
        answer = thread.submit(asyncio.sleep(0))
        go_on.set()

        with pytest.raises(RunnerClosedError, match=BROKEN):
            answer.result(WAIT)
        thread.stop()
        assert capfd.readouterr() == ("", "")

    def test_one_that_was_cancelled_before_stays_cancelled(self) -> None:
        thread = LoopThread()
        thread.start()
        answer = thread.submit(asyncio.sleep(3600))
        answer.cancel()
        die(thread)
        answer.join()
        thread.stop()

        assert answer.cancelled()

    @each_row("after", range(80))
    def test_a_caller_that_takes_its_call_back_meanwhile_disturbs_no_other(
        self, after: int
    ) -> None:
        thread = LoopThread()
        thread._is_open = thread._has_ended = True
        answers = [thread.submit(asyncio.sleep(0)) for _ in range(2)]
        steps = itertools.count()

        def take_back() -> None:
            if next(steps) == after and thread._calls:
                answer, coroutine = thread._calls.popitem()
                answer.cancel()
                coroutine.close()

        with interleaved(LoopThread.fail, take_back):
            thread.fail("because")

        assert all(answer.done() for answer in answers)
        thread.loop.close()

    def test_it_is_told_on_the_thread_and_in_the_log(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        died: list[str] = []
        thread = LoopThread(lambda: died.append(threading.current_thread().name))
        thread.start()
        die(thread)
        thread.stop()

        assert died == ["cloaca-engine"]
        assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
            ("CRITICAL", thread.failure)
        ]

    def test_what_it_is_told_to_may_raise_anything(self) -> None:
        thread = LoopThread(leave)
        thread.start()
        die(thread)
        thread.stop()

        assert thread.failure is not None

    def test_a_loop_whose_descriptors_were_closed_notices(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing wakes it, and nothing that is sent to it does."""
        monkeypatch.setattr(loop_care, "WAKE_PERIOD_S", 0.01)
        thread = LoopThread()
        thread.start()
        answer = thread.submit(asyncio.sleep(3600))
        os.close(thread.loop._selector.fileno())  # type: ignore[attr-defined]  # as a body may

        with pytest.raises(RunnerClosedError, match="did a task body close files or sockets"):
            answer.result(WAIT)
        thread.stop()

    def test_no_loop_waits_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One that does would not notice, wherever it stands when its descriptors are closed."""
        thread = LoopThread()
        selector = thread.loop._selector  # type: ignore[attr-defined]  # there is no other way
        real, waits, has_waited = selector.select, list[float | None](), threading.Event()

        def select(timeout: float | None) -> object:
            waits.append(timeout)
            if timeout != 0:
                has_waited.set()
            return real(timeout)

        monkeypatch.setattr(selector, "select", select)
        thread.start()
        assert has_waited.wait(WAIT)
        thread.stop()

        assert None not in waits

    def test_a_failure_ends_calls_and_leaves_the_loop_to_end_in_good_order(self) -> None:
        thread = LoopThread()
        thread.start()
        ended = threading.Event()

        async def outlasts() -> None:
            thread.fail("because")
            await asyncio.sleep(0)
            ended.set()

        with pytest.raises(RunnerClosedError, match=r"^because$"):
            thread.submit(outlasts()).result(WAIT)
        assert ended.wait(WAIT)
        thread.stop()
        assert thread.loop.is_closed()


def test_a_loop_that_somebody_stops_goes_on() -> None:
    """A handler of log records runs on it, and may do so."""
    thread = LoopThread()
    thread.start()
    thread.loop.call_soon_threadsafe(thread.loop.stop)

    assert thread.submit(_which_thread()).result(WAIT) == "cloaca-engine"
    thread.stop()
    assert thread.loop.is_closed()


def test_a_callback_that_raises_is_told_in_the_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    thread = LoopThread()
    thread.start()
    thread.loop.call_soon_threadsafe(lambda: [][0])
    thread.submit(asyncio.sleep(0)).result(WAIT)
    thread.stop()

    assert [each.name for each in caplog.records] == ["cloaca.engine"]
    assert capfd.readouterr() == ("", "")


def die(thread: LoopThread) -> None:
    """Have something come out of its loop."""
    thread.loop.call_soon_threadsafe(leave)


def leave() -> NoReturn:
    raise SystemExit(3)


# -- parked calls --------------------------------------------------------------------------------


def test_a_parked_call_begins_on_the_thread_of_the_loop() -> None:
    thread, call = LoopThread(), ParkedCall[str]()
    thread.start()
    thread.park(call, lambda: call.answer(threading.current_thread().name))

    assert call.result(WAIT) == "cloaca-engine"
    thread.unpark(call)
    thread.stop()


@each_row("when", ["before", "after"])
def test_a_parked_call_that_a_stop_overtakes_ends_with_it(when: str) -> None:
    thread, call = LoopThread(), ParkedCall[str]()
    thread.start()
    if when == "after":
        thread.stop()
    thread.park(call, lambda: None)
    if when == "before":
        thread.stop()

    with pytest.raises(RunnerClosedError, match="shut down"):
        call.result(WAIT)


def test_a_parked_call_hears_why_the_thread_takes_no_more_calls() -> None:
    thread, call, late = LoopThread(), ParkedCall[str](), ParkedCall[str]()
    thread.start()
    thread.park(call, lambda: None)
    thread.loop.call_soon_threadsafe(thread.fail, "the runner has broken down")
    for each in (call, late):
        with pytest.raises(RunnerClosedError, match="broken down"):
            each.result(WAIT)
        thread.park(late, lambda: None)
    thread.stop()


def test_the_loop_hears_of_a_caller_that_has_given_up() -> None:
    thread, call, left = LoopThread(), ParkedCall[str](), threading.Event()
    call.leave = left.set
    thread.start()
    thread.park(call, lambda: None)
    call.is_withdrawn = True
    thread.unpark(call)

    assert left.wait(WAIT)
    thread.stop()


async def test_things_of_one_thread_arrive_in_order() -> None:
    received: list[int] = []
    box = Mailbox(asyncio.get_running_loop(), received.append)

    for number in range(100):
        box.put(number)
    await asyncio.sleep(0)

    assert received == list(range(100))


async def test_no_thing_of_many_threads_is_lost() -> None:
    received: list[int] = []
    done = asyncio.Event()

    def receive(number: int) -> None:
        received.append(number)
        if len(received) == 8_000:
            done.set()

    box = Mailbox(asyncio.get_running_loop(), receive)

    def send() -> None:
        for number in range(2_000):
            box.put(number)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    await done.wait()
    for thread in threads:
        thread.join()

    assert sorted(received) == sorted(list(range(2_000)) * 4)


async def test_one_that_cannot_be_received_does_not_keep_the_rest() -> None:
    received: list[int] = []
    reported: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context))

    def receive(number: int) -> None:
        if number == 1:
            raise ValueError(number)
        received.append(number)

    box = Mailbox(loop, receive)
    for number in range(4):
        box.put(number)
    await quiet()

    assert received == [0, 2, 3]
    assert [type(context["exception"]) for context in reported] == [ValueError]


def test_what_comes_after_the_loop_was_closed_is_dropped() -> None:
    loop = asyncio.new_event_loop()
    box: Mailbox[int] = Mailbox(loop, lambda _: None)
    loop.close()

    for number in range(3):
        box.put(number)

    assert not box._things
