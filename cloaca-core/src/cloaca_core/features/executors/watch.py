"""Tells of calls of this process that have run for some time."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import TypeAlias

Tell: TypeAlias = Callable[[float], None]
"""Receives the number of seconds for which a call has run."""


class Watch:
    """Any thread may call it. Its own thread wakes when the first of the running calls is due; so
    many short calls wake it once in that time, and not once each.
    """

    def __init__(self) -> None:
        self._running: set[_Running] = set()
        self._looks_at: float | None = None
        # Taken by itself: a signal to the thread of a call may raise in a method of Condition.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)

    @contextmanager
    def over(self, seconds: float, tell: Tell) -> Iterator[None]:
        """The block is a call; ``tell`` is called once if it takes longer than this."""
        running = _Running(seconds, tell)
        try:
            with self._lock:
                self._running.add(running)
                self._see_to(running.due)
            yield
        finally:
            with self._lock:
                self._running.discard(running)

    def _see_to(self, due: float) -> None:
        if self._looks_at is None:
            threading.Thread(target=self._look, name="cloaca-watch", daemon=True).start()
            self._looks_at = due
        elif due < self._looks_at:
            self._looks_at = due
            self._changed.notify()

    def _look(self) -> None:
        while True:
            self._report_due()

    def _report_due(self) -> None:
        """By itself, so that a thread which waits keeps no call."""
        for each in self._await_due():
            each.report()

    def _await_due(self) -> list[_Running]:
        with self._lock:
            while not (due := [each for each in self._running if each.due <= time.monotonic()]):
                self._looks_at = min((each.due for each in self._running), default=inf)
                left = self._looks_at - time.monotonic()
                self._changed.wait(None if left == inf else max(left, 0.0))
            return due


class _Running:
    def __init__(self, seconds: float, tell: Tell) -> None:
        self.due = seconds + (now := time.monotonic())
        self._since = now
        self._tell = tell

    def report(self) -> None:
        self.due = inf
        with suppress(Exception):  # what it tells may be closing; the thread serves others, too
            self._tell(time.monotonic() - self._since)


def this_watch() -> Watch:
    """The watch over the calls of this process."""
    return _watch_of(os.getpid())


@functools.cache
def _watch_of(_: int) -> Watch:
    """The watch of this process: a forked process has no thread of its parent."""
    return Watch()
