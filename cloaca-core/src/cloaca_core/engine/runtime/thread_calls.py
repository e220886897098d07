"""The calls of threads into the engine: a future for any call, and a parked call for the one answer
that its thread waits for, and does nothing else meanwhile.

Neither deadlocks when a signal interrupts the caller. A thread that waits for a
``concurrent.futures.Future`` briefly holds its lock, and the engine needs that lock to answer. A
signal handler that interrupts the thread just then and calls the engine itself, to shut it down for
instance, would wait for ever.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

from cloaca_core.errors import SHUT_DOWN, RunnerClosedError

T = TypeVar("T")

_NO_RUN: Final[tuple[str, ...]] = ()

LOOKS_UP: Final = 1.0
"""Seconds after which the main thread lets a handler run for a signal that did not wake it."""


class CallFuture(concurrent.futures.Future[T]):
    """A future that is waited for without its lock."""

    def __init__(self) -> None:
        super().__init__()
        self._arrival: SimpleQueue[None] = SimpleQueue()
        self._arrived = False
        self._end: SimpleQueue[None] = SimpleQueue()
        self.add_done_callback(_arrive)

    def result(self, timeout: float | None = None) -> T:
        """As a future's."""
        self._wait(timeout)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As a future's."""
        self._wait(timeout)
        return super().exception(0)

    def has_arrived(self) -> bool:
        """As ``done``, without the lock."""
        return self._arrived

    def end(self) -> None:
        """The call is over, also one whose answer was cancelled."""
        self._end.put(None)

    def join(self) -> None:
        """Return when the call is over; once."""
        self._end.get()

    def _wait(self, timeout: float | None) -> None:
        if self.has_arrived():
            return
        try:
            next_of(self._arrival, timeout)
        except Empty:
            raise TimeoutError from None
        finally:
            if self.has_arrived():
                self._arrival.put(None)  # for the next thread that waits


def next_of(queue: SimpleQueue[T], timeout: float | None) -> T:
    """The next thing of a queue, ``Empty`` after so many seconds. On the main thread the wait is
    interrupted now and then: Python runs signal handlers there, and a signal that comes just before
    the wait does not end it.
    """
    if threading.current_thread() is not threading.main_thread():
        return queue.get(timeout=timeout)
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > LOOKS_UP:
        with suppress(Empty):
            return queue.get(timeout=LOOKS_UP)
    return queue.get(timeout=max(0.0, left))


def _arrive(answer: concurrent.futures.Future[T]) -> None:
    assert isinstance(answer, CallFuture)
    answer._arrived = True
    answer._arrival.put(None)


class UnansweredError(Exception):
    """The time of a wait is over; the call is not answered yet."""


class ParkedCall(Generic[T]):
    """Takes the place of a future, an asyncio task and their callbacks where the engine can answer
    directly.

    The first answer counts. ``run`` has the id of the run that is waited for, once that is
    durable. ``leave`` is called on the engine's loop when the caller has stopped waiting.
    """

    __slots__ = ("_answers", "is_withdrawn", "leave", "run")

    def __init__(self) -> None:
        self._answers: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()
        self.is_withdrawn: bool = False
        self.run: tuple[str, ...] = _NO_RUN
        self.leave: Callable[[], object] | None = None

    # -- the caller --------------------------------------------------------------------------

    def result(self, timeout: float | None) -> T:
        """Wait for the answer; ``UnansweredError`` after so many seconds. To be called once."""
        try:
            answer, error = next_of(self._answers, timeout)
        except Empty:
            raise UnansweredError from None
        if error is not None:
            raise error
        return answer  # type: ignore[return-value] # None is an answer only if T is None

    # -- the engine's loop -------------------------------------------------------------------

    def answer(self, value: T) -> None:
        """Wake the caller with a result."""
        self._answers.put((value, None))

    def fail(self, error: BaseException) -> None:
        """Wake the caller with an error; any thread."""
        self._answers.put((None, error))

    def accept(self, run_id: str) -> None:
        """The run that is waited for is durable."""
        self.run = (run_id,)

    def follow(self, task: asyncio.Task[T]) -> None:
        """Answer with the result of a task, which is cancelled when the caller stops waiting."""
        self.leave = task.cancel
        task.add_done_callback(self._settle)
        if self.is_withdrawn:
            task.cancel()

    def _settle(self, task: asyncio.Task[T]) -> None:
        if task.cancelled():
            self.fail(RunnerClosedError(SHUT_DOWN))
        elif (error := task.exception()) is not None:
            self.fail(error)
        else:
            self.answer(task.result())

    def left(self) -> None:
        """The caller has stopped waiting."""
        if self.leave is not None:
            self.leave()
