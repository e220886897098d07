"""Tens of thousands of timers that hardly ever expire.

Every body and every run has a time limit, and few of these limits differ. Things with the same
limit expire in the order in which they were added, so a queue per limit and one timer of the loop
are enough; a heap of timers would cost more than all planning.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Generic, TypeVar

from cloaca_core.logs import SafeLogger

log = SafeLogger("cloaca.engine")

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Calls ``expired`` on the loop with each thing whose time is up. A thing has one deadline.

    An error of ``expired`` is logged, and the other things still expire.
    """

    def __init__(self, expired: Callable[[T], None]) -> None:
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        self._due: dict[float, dict[T, float]] = {}
        self._limit_of: dict[T, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = math.inf

    def add(self, thing: T, seconds: float) -> None:
        """Let the thing expire after ``seconds``, unless it is discarded before. ``math.inf`` means
        never.
        """
        if thing in self._limit_of:
            self.discard(thing)
        if seconds == math.inf:
            return
        due = self._loop.time() + seconds
        self._limit_of[thing] = seconds
        if (queue := self._due.get(seconds)) is None:
            queue = self._due[seconds] = {}
        queue[thing] = due
        if due < self._wakes_at:
            self._wake_at(due)

    def discard(self, thing: T) -> None:
        """Let the thing not expire, if it has a deadline."""
        seconds = self._limit_of.pop(thing, None)
        if seconds is not None:
            queue = self._due[seconds]
            del queue[thing]
            if not queue:
                del self._due[seconds]

    def _wake_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._wakes_at = self._loop.call_at(due, self._expire), due

    def _expire(self) -> None:
        self._timer, self._wakes_at = None, math.inf
        now = self._loop.time()
        for thing in [t for queue in self._due.values() for t in _run_out(queue, now)]:
            if thing in self._limit_of:  # ``expired`` may have discarded it for another thing
                self.discard(thing)
                self._tell(thing)
        if self._due:  # ``expired`` may have set the timer, but only for the thing it added
            self._wake_at(min(next(iter(queue.values())) for queue in self._due.values()))

    def _tell(self, thing: T) -> None:
        try:
            self._expired(thing)
        except Exception:
            log.exception("acting on a time limit failed")


def _run_out(queue: dict[T, float], now: float) -> list[T]:
    found = []
    for thing, due in queue.items():
        if due > now:
            break
        found.append(thing)
    return found
