"""A future for calls into the engine that does not deadlock when a signal interrupts the caller.

A thread that waits for a ``concurrent.futures.Future`` briefly holds its lock, and the engine needs
that lock to answer. A signal handler that interrupts the thread just then and calls the engine
itself, to shut it down for instance, would wait for ever.
"""

from __future__ import annotations

import concurrent.futures
import math
import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

T = TypeVar("T")

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
