"""Work that stands still until it is let go, and an executor to send it to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from model.quiet import quiet
from model.watched_threads import WatchedThreads

from cloaca_core.engine.execute.executor import Executor
from cloaca_core.engine.execute.threads import ABANDONED_PER_SLOT
from cloaca_core.engine.execute.work import THREADS, Line, Work
from cloaca_core.values.times.clock import SYSTEM_CLOCK

SLOTS = 2


class Body(Work):
    """Says when it has begun, and ends when ``go`` is called, with its ``fault`` if it has one;
    from any thread.
    """

    def __init__(self, *, is_async: bool = False, priority: int = 0, since: int = 0) -> None:
        super().__init__(
            is_async=is_async,
            clock=SYSTEM_CLOCK,
            finished=self._note,
            priority=priority,
            since=since,
        )
        self.loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.reported = asyncio.Event()
        self.reports = 0
        self.was_cancelled = False
        self.fault: BaseException | None = None
        self.broke_with: BaseException | None = None
        self._go = threading.Event()
        self._has_come = False
        self._wake: Callable[[], object] = self._go.set

    def go(self) -> None:
        self._go.set()
        with suppress(RuntimeError):  # the loop of the bodies is closed
            self._wake()

    @property
    def is_standing(self) -> bool:
        """Whether its thread waits until it is let go."""
        return self._has_come and not self._go.is_set()

    def run(self) -> None:
        self._signal(self.begun)
        self._has_come = True
        self._go.wait()
        self._signal(self.ended)
        self._end()

    async def run_async(self) -> None:
        woken = asyncio.Event()
        self._wake = partial(asyncio.get_running_loop().call_soon_threadsafe, woken.set)
        self._signal(self.begun)
        try:
            if not self._go.is_set():
                await woken.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        finally:
            self._signal(self.ended)
        self._end()

    def broke(self, error: BaseException) -> None:
        self.broke_with = error

    def _end(self) -> None:
        if self.fault is not None:
            raise self.fault

    def _signal(self, event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the test is over and its loop is closed
            self.loop.call_soon_threadsafe(event.set)

    def _note(self, work: Work) -> None:
        assert work is self
        self.reports += 1
        self.reported.set()


class Pool(Executor):
    """An executor with two slots of one kind, whose bodies all end with the test."""

    def __init__(self, *, is_async: bool = False, replaced: int = ABANDONED_PER_SLOT) -> None:
        super().__init__(SLOTS, SLOTS, asyncio.get_running_loop())
        self._threads = self._watched = WatchedThreads(
            SLOTS, asyncio.get_running_loop(), replaced=replaced
        )
        self._on_threads = [self._watched]
        self._places[THREADS] = self._watched
        self.is_async = is_async
        self._bodies: list[Body] = []

    def send(self, priority: int = 0, since: int = 0, line: Line | None = None) -> Body:
        body = Body(is_async=self.is_async, priority=priority, since=since)
        body.line = line
        self._bodies.append(body)
        self.submit(body)
        return body

    async def started(self) -> Body:
        await (body := self.send()).begun.wait()
        return body

    async def is_held_up(self, body: Body) -> bool:
        """It has not begun, and nothing is left that could begin it."""
        await self.quiet()
        return not body.begun.is_set()

    async def quiet(self) -> None:
        """Return when nothing can go on any more where its bodies run, and on this loop."""
        if self.is_async:
            assert self._coroutines._loop is not None
            there = asyncio.run_coroutine_threadsafe(quiet(), self._coroutines._loop)
            await asyncio.wrap_future(there)
        else:
            await self._threads_are_quiet()
        await quiet()

    async def _threads_are_quiet(self) -> None:
        stood_still = False
        while not (stood_still and self._stand_still()):
            while not self._stand_still():  # noqa: ASYNC110 - threads have no event for this
                await asyncio.sleep(0)
            await quiet()  # their reports may send them on
            stood_still = True

    def _stand_still(self) -> bool:
        return self._watched.stand_still(sum(body.is_standing for body in self._bodies))

    def let_all_go(self) -> None:
        for body in self._bodies:
            body.go()

    async def check_balance(self) -> None:
        """With everything given back there are as many slots as at first, no more and no less."""
        self.let_all_go()
        bodies = [await self.started() for _ in range(SLOTS)]
        surplus = self.send()
        assert await self.is_held_up(surplus)
        while self.is_starting:  # noqa: ASYNC110 - a report that is on its way has no event yet
            await asyncio.sleep(0)
        bodies[0].go()
        await surplus.begun.wait()
