"""The loops of runners and callers, on one thread, and how they are driven: one step at a time.

Most of the time of a story is spent here, so a pass is the least that keeps asyncio's order: timers
that are due come after what is ready, and nothing is asked of the operating system.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import sys
import threading
from collections import deque
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

from cloaca_testing.driver import DrivenLoop, Driver

MANY_CANCELLED: Final = 100
"""Timers that were cancelled and not reached; more are taken out of the heap."""


class WorldLoop(DrivenLoop):
    """A loop whose calls all come from the thread of the test: nothing has to wake it."""

    # asyncio's own, which its types do not tell of.
    _ready: deque[asyncio.Handle]
    _scheduled: list[Any]
    _timer_cancelled_count: int
    _asyncgen_firstiter_hook: Any
    _asyncgen_finalizer_hook: Any

    def __init__(self, driver: Driver, now: float) -> None:
        super().__init__(driver, now)
        self._made: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._numbers = itertools.count()

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """As any loop's; tasks are numbered."""
        task = super().create_task(coro, **options)
        self._made[task] = next(self._numbers)
        return task

    def number(self, task: asyncio.Task[Any]) -> int:
        """Tasks that were made later have higher numbers."""
        return self._made[task]

    def looks_outside(self) -> bool:
        return self.has_sockets()

    def _write_to_self(self) -> None:
        """Do nothing: it sleeps in no select."""

    def has_work(self, now: float) -> bool:
        """Whether something can be done at this instant."""
        if self._ready:
            return True
        timers = self._scheduled
        return bool(timers and timers[0]._when <= now)

    def run_forever(self) -> None:
        """Run all that is ready at this instant. Sockets are for asyncio itself."""
        if not self.has_sockets():
            ours: Any = self
            before = sys.get_asyncgen_hooks()
            sys.set_asyncgen_hooks(
                firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
            )
            ours._thread_id = threading.get_ident()
            asyncio._set_running_loop(self)
            try:
                self._run_ready()
            finally:
                asyncio._set_running_loop(None)
                ours._thread_id = None
                sys.set_asyncgen_hooks(*before)
        if self.has_sockets():
            super().run_forever()

    def _run_ready(self) -> None:
        ready, end = self._ready, self._now + self._clock_resolution
        while True:
            self._take_due(end)
            if not ready:
                return
            self.one_pass()
            for _ in range(len(ready)):
                handle = ready.popleft()
                if not handle._cancelled:
                    handle._run()

    def _take_due(self, end: float) -> None:
        timers = self._scheduled
        if self._timer_cancelled_count > MANY_CANCELLED:
            self._scheduled = timers = [each for each in timers if not _is_off(each)]
            heapq.heapify(timers)
            self._timer_cancelled_count = 0
        while timers and (timers[0]._cancelled or timers[0]._when < end):
            handle = heapq.heappop(timers)
            handle._scheduled = False
            if handle._cancelled:
                self._timer_cancelled_count -= 1
            else:
                self._ready.append(handle)


class SteppedDriver(Driver):
    """Drives the loop of a runner, or of the callers, as one part of a world."""

    kind_of_loop: ClassVar[type[DrivenLoop]] = WorldLoop
    loop: WorldLoop

    def has_work(self, now: float) -> bool:
        """Whether something can be done at this instant."""
        return bool(self._bodies) or self.loop.has_work(now)

    def step(self) -> None:
        """Do what is ready, and call at most one body."""
        self.check_alive()
        self._depth += 1
        try:
            self._pass()
            if self._call_body():
                self._pass()
        finally:
            self._depth -= 1


def _is_off(handle: Any) -> bool:
    """Whether a timer was cancelled; it is then told that it is not in the heap."""
    if handle._cancelled:
        handle._scheduled = False
    return bool(handle._cancelled)
