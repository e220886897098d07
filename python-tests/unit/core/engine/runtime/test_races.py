"""What bodies, callers and the engine's loop share: each thread stands still at each line while the
other one passes, and nothing is lost or done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import Empty
from typing import Any

import pytest
from meetings import HandLoop, Meeting, Scene, meet_everywhere

from cloaca_core.engine.execute.threads import BodyThreads
from cloaca_core.engine.execute.work import Stage, Work
from cloaca_core.engine.runtime import thread_calls
from cloaca_core.engine.runtime.loop_thread import LoopThread, Mailbox
from cloaca_core.engine.runtime.thread_calls import CallFuture, ParkedCall
from cloaca_core.errors import RunnerClosedError
from cloaca_core.features.task_logs.log_book import LogBook
from cloaca_core.values.times.clock import SYSTEM_CLOCK

LOOP = "runtime/loop_thread.py"
CALLS = "runtime/thread_calls.py"
THREADS = ("execute/threads.py", "execute/slot_queue.py", "execute/work.py")
BOOK = "task_logs/log_book.py"


class Body(Work):
    """A body that does nothing."""

    def __init__(self, finished: Callable[[Work], None] = lambda _: None) -> None:
        super().__init__(is_async=False, clock=SYSTEM_CLOCK, finished=finished)

    def run(self) -> None:
        """Do nothing."""

    async def run_async(self) -> None:
        """Never called."""

    def broke(self, error: BaseException) -> None:
        """Never called."""


class Threads(BodyThreads):
    """The accounts of threads, which are not started: the test plays them. ``living`` counts."""

    def __init__(self, meeting: Meeting, slots: int, *, living: int = 0) -> None:
        self.hand = HandLoop()
        super().__init__(slots, self.hand)  # type: ignore[arg-type]  # as much of a loop as it needs
        self._lock = meeting.lock()
        self.living = self._threads = living
        self.done: list[Work] = []

    def _start_thread(self) -> None:
        self.living += 1

    def body(self) -> Body:
        """Work that is queued."""
        work = Body(self.done.append)
        self.reserve()
        self.start_reserved(work)
        work.stage = Stage.QUEUED
        return work

    def runs(self) -> Body:
        """Work that a thread runs."""
        work = self.body()
        assert self.next() is work
        return work

    def next(self) -> Work | None:
        """A thread takes the next item."""
        return self._next() if self._queue.get_nowait() is not None else None

    def has_run(self, work: Work) -> None:
        """The thread of a body goes on behind it."""
        leaves = self._has_run(work)
        self._reports.put(work)
        self.living -= leaves

    def are_balanced(self) -> None:
        """All that runs ends, and then no slot and no thread is missing or left over."""
        self.hand.run()
        assert (self.under_way, self.abandoned) == (0, 0)
        assert self._threads == self.living


# -- the mailbox -----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_put_held", [True, False])
@pytest.mark.parametrize("waiting", [0, 1])
def test_a_thing_that_is_put_while_the_loop_empties_the_mailbox_is_received(
    is_put_held: bool, waiting: int
) -> None:
    def make(_: Meeting) -> Scene:
        loop, received = HandLoop(), list[int]()
        box: Mailbox[int] = Mailbox(loop, received.append)  # type: ignore[arg-type]
        for number in range(waiting):
            box.put(number)
        acts = [lambda: box.put(waiting), loop.once]
        held, passes = acts if is_put_held else reversed(acts)

        def check() -> None:
            loop.run()
            assert received == list(range(waiting + 1))

        return Scene(held, passes, check)

    meet_everywhere(make, LOOP)


def test_things_that_two_threads_put_are_both_received() -> None:
    def make(_: Meeting) -> Scene:
        loop, received = HandLoop(), list[int]()
        box: Mailbox[int] = Mailbox(loop, received.append)  # type: ignore[arg-type]

        def check() -> None:
            loop.run()
            assert sorted(received) == [1, 2]

        return Scene(lambda: box.put(1), lambda: box.put(2), check)

    assert meet_everywhere(make, LOOP) > 3


# -- calls of the engine ---------------------------------------------------------------------------


def _telling(meeting: Meeting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the meeting know of a thread that waits for an answer."""

    def told(queue: Any, timeout: float | None) -> Any:
        try:
            return queue.get_nowait()
        except Empty:
            meeting.waits()
            return queue.get(timeout=timeout)

    monkeypatch.setattr(thread_calls, "next_of", told)


@pytest.mark.parametrize("is_caller_held", [True, False])
def test_an_answer_reaches_each_thread_that_waits(
    is_caller_held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(meeting: Meeting) -> Scene:
        _telling(meeting, monkeypatch)
        future: CallFuture[int] = CallFuture()
        answers: list[int] = []
        acts = [lambda: answers.append(future.result(5)), lambda: future.set_result(7)]
        held, passes = acts if is_caller_held else reversed(acts)

        def check() -> None:
            assert answers == [7]
            assert not future._arrival.empty()  # a second thread that waits is woken

        return Scene(held, passes, check)

    meet_everywhere(make, CALLS)


@pytest.mark.parametrize("is_caller_held", [True, False])
def test_a_call_that_is_sent_while_the_engine_dies_is_answered(is_caller_held: bool) -> None:
    def make(_: Meeting) -> Scene:
        loop = asyncio.new_event_loop()
        thread = LoopThread(loop=loop)
        thread._is_open = True
        sent: list[CallFuture[int]] = []

        async def ask() -> int:
            return 7

        acts = [lambda: sent.append(thread.submit(ask())), lambda: thread.fail("it died")]
        held, passes = acts if is_caller_held else reversed(acts)

        def check() -> None:
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()
            (answer,) = sent
            assert answer.has_arrived()
            if answer.exception() is None:
                assert answer.result() == 7
            else:
                assert isinstance(answer.exception(), RunnerClosedError)

        return Scene(held, passes, check)

    assert meet_everywhere(make, LOOP) > 3


@pytest.mark.parametrize("is_caller_held", [True, False])
def test_a_call_that_is_parked_while_the_engine_dies_is_answered(is_caller_held: bool) -> None:
    def make(_: Meeting) -> Scene:
        loop = HandLoop()
        thread = LoopThread(loop=loop)  # type: ignore[arg-type]
        thread._is_open = True
        call: ParkedCall[int] = ParkedCall()
        acts = [lambda: thread.park(call, lambda: None), lambda: thread.fail("it died")]
        held, passes = acts if is_caller_held else reversed(acts)

        def check() -> None:
            loop.run()
            if not call._answers.empty() or thread.failure is None:
                return
            with pytest.raises(RunnerClosedError):
                call.result(0)

        return Scene(held, passes, check)

    assert meet_everywhere(make, LOOP) > 3


# -- the threads of bodies -------------------------------------------------------------------------


def test_two_threads_take_two_bodies() -> None:
    def make(meeting: Meeting) -> Scene:
        threads = Threads(meeting, 2, living=2)
        works = {threads.body(), threads.body()}
        taken: list[Work | None] = []

        def check() -> None:
            assert set(taken) == works
            assert {each.stage for each in works} == {Stage.RUNNING}

        return Scene(
            lambda: taken.append(threads.next()), lambda: taken.append(threads.next()), check
        )

    assert meet_everywhere(make, *THREADS) > 3


@pytest.mark.parametrize("is_thread_held", [True, False])
def test_a_body_that_is_given_up_as_it_begins_gives_its_slot_back(is_thread_held: bool) -> None:
    def make(meeting: Meeting) -> Scene:
        threads = Threads(meeting, 1)
        work = threads.body()
        taken: list[Work | None] = []
        acts = [lambda: taken.append(threads.next()), lambda: threads.abandon(work)]
        held, passes = acts if is_thread_held else reversed(acts)

        def check() -> None:
            assert work.abandoned
            if taken == [work]:
                threads.has_run(work)
            threads.are_balanced()

        return Scene(held, passes, check)

    assert meet_everywhere(make, *THREADS) > 3


@pytest.mark.parametrize("is_thread_held", [True, False])
@pytest.mark.parametrize("act", ["release_slot", "abandon", "_seat"])
def test_a_body_that_ends_as_its_slot_goes_elsewhere_is_counted_once(
    act: str, is_thread_held: bool
) -> None:
    def make(meeting: Meeting) -> Scene:
        threads = Threads(meeting, 1)
        work = threads.runs()
        if act == "_seat":
            threads.release_slot(work)
            threads.under_way += 1
            threads._threads += 1
        acts = [lambda: threads.has_run(work), lambda: getattr(threads, act)(work)]
        held, passes = acts if is_thread_held else reversed(acts)

        return Scene(held, passes, threads.are_balanced)

    assert meet_everywhere(make, *THREADS) > 3


# -- lines that bodies log -------------------------------------------------------------------------


@pytest.mark.parametrize("is_body_held", [True, False])
@pytest.mark.parametrize("waits", [True, False])
def test_a_log_that_is_listed_as_the_timer_runs_out_is_due(is_body_held: bool, waits: bool) -> None:
    def make(_: Meeting) -> Scene:
        loop, taken = HandLoop(), list[object]()
        asyncio._set_running_loop(loop)  # type: ignore[arg-type]
        try:
            book = LogBook("info", SYSTEM_CLOCK)
        finally:
            asyncio._set_running_loop(None)

        def take() -> None:
            for _ in range(len(book.waiting)):
                taken.append(book.waiting.popleft())

        book.due = take
        book.list("before")  # type: ignore[arg-type]  # nothing looks into it
        loop.once()
        if not waits:
            take()
        acts: list[Callable[[], object]] = [lambda: book.list("log"), loop.once]  # type: ignore[arg-type]
        held, passes = acts if is_body_held else reversed(acts)

        def check() -> None:
            loop.run()
            assert taken == ["before", "log"]

        return Scene(held, passes, check)

    meet_everywhere(make, BOOK)
