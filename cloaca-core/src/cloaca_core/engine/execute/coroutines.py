"""Runs async user code on its own loop, so that a body that blocks does not stop the engine."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.execute.slot_queue import SlotQueue
from cloaca_core.engine.execute.work import Stage, sealed
from cloaca_core.engine.runtime.loop_care import (
    breakdown_reason,
    has_closed,
    keep_waking,
    stay_with,
    tell_of_closed,
)
from cloaca_core.engine.runtime.loop_thread import Mailbox
from cloaca_core.engine.runtime.starter import Starter
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.execute.work import Work

log = SafeLogger("cloaca.engine")

CANCEL_SECONDS: Final = 1.0
"""Seconds that cancelled coroutines get to clean up when the loop is closed."""


class BodyLoop:
    """Runs at most ``slots`` coroutines at once, not counting waiting and abandoned ones.

    The thread starts with the first work, which stays queued while the system has no thread. Public
    methods are called on the engine's loop, but for ``start_reserved``. ``running`` has the running
    work, each with its asyncio task; ``under_way`` counts the work that has a slot. ``broken`` is
    called with the reason when the thread has died and runs nothing any more.
    """

    def __init__(
        self,
        slots: int,
        loop: asyncio.AbstractEventLoop,
        broken: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.slots: int = slots
        self._reports: Mailbox[Work] = Mailbox(loop, self._report)
        self._queued = SlotQueue()
        self.under_way: int = 0
        self._abandoned = 0
        self._starter = Starter(loop, self._start_next)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._arrivals: Mailbox[Work] | None = None
        self.running: dict[Work, asyncio.Task[None]] = {}
        self._lock = threading.Lock()
        self.seal: Callable[[Work], bool] = partial(sealed, self._lock)
        self._deaths: Mailbox[str] = Mailbox(loop, broken)
        self._closed = False
        self._ended = False

    @property
    def abandoned(self) -> int:
        """The number of abandoned coroutines that have not ended yet, for example because they
        block.
        """
        return self._abandoned

    @property
    def backlog(self) -> int:
        """The number of pieces of work that wait for a slot."""
        return len(self._queued)

    @property
    def turns(self) -> int:
        """The number of turns for which work waits: the works of a line share one."""
        return self._queued.turns

    @property
    def is_starting(self) -> bool:
        """Whether work that has a slot has not begun yet."""
        begun = [
            work
            for work in list(self.running)
            if work.stage is Stage.RUNNING and work.holds_slot and not work.abandoned
        ]
        return len(begun) < self.under_way

    def submit(self, work: Work) -> None:
        """Queue work; its ``finished`` is called on the engine's loop."""
        self._queued.put(work)
        self._start_next()

    def reserve(self) -> bool:
        """Reserve a slot for work that will be started or abandoned. False if no slot is free."""
        if self._queued or self.under_way >= self.slots or not self._has_loop():
            return False
        self.under_way += 1
        return True

    def start_reserved(self, work: Work) -> None:
        """Start work that has a reserved slot. Any thread may call it."""
        assert self._arrivals is not None
        self._arrivals.put(work)

    def release_slot(self, work: Work) -> None:
        """The coroutine of ``work`` waits: free its slot meanwhile. If it has run, its report frees
        the slot.
        """
        with self._lock:
            if work.stage is Stage.RAN:
                return
            work.holds_slot = False
        self.under_way -= 1
        self._start_next()

    async def reacquire_slot(self, work: Work) -> None:
        """Take the slot again, at once: a waiting coroutine costs no thread."""
        with self._lock:
            if work.abandoned or work.stage is Stage.RAN:  # another task of it had waited
                return
            work.holds_slot = True
        self.under_way += 1

    def abandon(self, work: Work, *, even_running: bool = True) -> bool:
        """Cancel work and ignore its outcome. False when its report is on the way, or when it is
        running and ``even_running`` is false.
        """
        with self._lock:
            is_running = work.stage is Stage.RUNNING
            if work.stage is Stage.RAN or (is_running and not even_running):
                return False
            work.abandoned = True
        if work in self._queued:
            self._queued.remove(work)
            return True
        self._abandoned += is_running
        if work.holds_slot:
            self.under_way -= 1
            self._start_next()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel, work)
        return True

    def interrupt(self, work: Work) -> None:
        """Cancel work that runs; its outcome counts."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel, work)

    def close(self) -> None:
        """Cancel running work and end the loop, without waiting for it."""
        self._starter.close()
        if self._loop is not None and not (self._closed or self._ended):
            self._closed = True
            asyncio.run_coroutine_threadsafe(self._end(), self._loop)

    def _start_next(self) -> None:
        while self._queued and self.under_way < self.slots and self._has_loop():
            if (work := self._queued.take()) is not None:
                self.under_way += 1
                self.start_reserved(work)

    def _has_loop(self) -> bool:
        return self._loop is not None or self._starter.try_start(self._start_loop)

    def _start_loop(self) -> None:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(
            target=self._serve, args=(loop,), name="cloaca-coroutines", daemon=True
        )
        try:
            thread.start()
        except BaseException:
            loop.close()
            raise
        self._loop, self._arrivals = loop, Mailbox(loop, self._start)

    # -- on the loop of the bodies -----------------------------------------------------------

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the loop until it is told to end; restart it when it returns for another reason.

        If a task that a body has made raises ``SystemExit`` or ``KeyboardInterrupt``, asyncio
        raises it out of the loop. Code that awaits the task gets it as well, when the loop is
        restarted.
        """
        loop.set_exception_handler(tell_of_closed)
        keep_waking(loop)
        try:
            while not self._ended:
                self._serve_once(loop)
        except BaseException as error:  # noqa: BLE001 - bodies wait for this loop
            self._ended = True
            self._deaths.put(breakdown_reason("thread of coroutines", error))
            stay_with(loop)
        if not has_closed(loop):
            stay_with(loop)

    def _serve_once(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            loop.run_forever()
        except (SystemExit, KeyboardInterrupt) as error:
            log.warning("a task or callback of an async body raised", exc_info=error)

    def _start(self, work: Work) -> None:
        if not work.abandoned:
            assert self._loop is not None
            self.running[work] = self._loop.create_task(self._run(work))

    async def _run(self, work: Work) -> None:
        if not self._begins(work):
            del self.running[work]
            return
        try:
            await work.run_async()
        except BaseException as error:  # noqa: BLE001 - no error may stop the loop
            work.broke(error)
        finally:
            with self._lock:
                work.stage = Stage.RAN
            del self.running[work]
            self._reports.put(work)

    def _begins(self, work: Work) -> bool:
        with self._lock:
            if not work.abandoned:
                work.begin()
            return not work.abandoned

    def _cancel(self, work: Work) -> None:
        """Cancel work that has begun. Other work notices before it begins that it is abandoned."""
        if work.stage is Stage.RUNNING and (task := self.running.get(work)) is not None:
            task.cancel()

    async def _end(self) -> None:
        """Stop the loop. Also cancels tasks that bodies left behind, or Python would warn."""
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS)
        self._ended = True
        asyncio.get_running_loop().stop()

    # -- on the engine's loop again ----------------------------------------------------------

    def _report(self, work: Work) -> None:
        if work.abandoned:
            self._abandoned -= 1
        else:
            self.under_way -= work.holds_slot  # else it has ended while it waits
            self._start_next()
            work.finished(work)
