"""Runs sync user code on daemon threads.

The standard library's pools join their threads at exit; a body that never returns would keep the
interpreter alive. Threads take work from one queue, in the order of ``SlotQueue``, so a thousand
queued bodies need no hop of the loop between them. All counting happens on the engine's loop; a
thread only runs work, reports, and ends when it is dismissed.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.execute.slot_queue import SlotQueue
from cloaca_core.engine.execute.work import Stage, sealed
from cloaca_core.engine.runtime.loop_thread import Mailbox
from cloaca_core.engine.runtime.starter import Starter

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.execute.work import Work

ABANDONED_PER_SLOT: Final = 4
"""How many timed-out bodies of a slot get a new thread in their place, before the slot stays
taken.
"""


class BodyThreads:
    """Runs at most ``slots`` pieces of work at once, not counting waiting and abandoned ones; fewer
    while the system has no thread for them. Each slot may have ``replaced`` abandoned bodies
    replaced. ``under_way`` counts the work that has a slot or waits for one.

    Public methods are called on the engine's loop, but for ``start_reserved``. ``running`` has the
    running work by thread. Idle threads wait for ``_queue``: it has an item for each piece of
    waiting work, and None for a thread that must check whether it is dismissed. A thread that takes
    an item moves the work of ``_arrived`` to ``_waiting``, which the lock guards. So a caller that
    starts work never waits for the lock, which a descheduled thread may hold.
    """

    def __init__(
        self,
        slots: int,
        loop: asyncio.AbstractEventLoop,
        *,
        replaced: int = ABANDONED_PER_SLOT,
    ) -> None:
        self.slots: int = slots
        self._most_replaced = slots * replaced
        self._loop = loop
        self.running: dict[int, Work] = {}
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._arrived: deque[Work] = deque()
        self._waiting = SlotQueue()
        self._lock = threading.Lock()
        self.seal: Callable[[Work], bool] = partial(sealed, self._lock)
        self._reports: Mailbox[Work | None] = Mailbox(loop, self._report)
        self._starter = Starter(loop, self._grow)
        self._threads = 0
        self.under_way: int = 0
        self._abandoned = 0
        self._dismissals = 0
        self._resuming: deque[asyncio.Future[None]] = deque()
        self._closed = False

    @property
    def abandoned(self) -> int:
        """The number of abandoned bodies that are still running."""
        return self._abandoned

    @property
    def backlog(self) -> int:
        """The approximate number of pieces of work that wait for a slot."""
        return len(self._arrived) + len(self._waiting)

    @property
    def turns(self) -> int:
        """The number of turns for which work waits: the works of a line share one."""
        with self._lock:
            self._waiting.put_all(self._arrived)
            return self._waiting.turns

    @property
    def is_starting(self) -> bool:
        """Whether work that may have a slot has not begun yet."""
        if not self.running:
            return bool(self._threads and self.under_way)
        begun = [
            work for work in list(self.running.values()) if work.holds_slot and not work.leaves
        ]
        return len(begun) < min(self._threads, self.under_way)

    def submit(self, work: Work) -> None:
        """Queue work; its ``finished`` is called on the loop."""
        self.reserve()
        self.start_reserved(work)

    def reserve(self) -> bool:
        """Count work that will be started or abandoned. Always True: the queue has no limit."""
        self.under_way += 1
        if self._threads < self.slots:
            self._grow()
        return True

    def start_reserved(self, work: Work) -> None:
        """Queue work that has a reserved slot. Any thread may call it."""
        self._arrived.append(work)
        self._queue.put(work)

    def release_slot(self, work: Work) -> None:
        """The body of ``work`` waits: free its slot meanwhile. If it has run, its report frees the
        slot.
        """
        with self._lock:
            if work.stage is Stage.RAN:
                return
            work.holds_slot = False
        self._threads -= 1
        self.under_way -= 1
        self._grow()

    async def reacquire_slot(self, work: Work) -> None:
        """Return when the body of ``work`` may continue. At once when it was abandoned, or has run
        while another thread of it waited.
        """
        if work.abandoned or work.stage is Stage.RAN:
            return
        self.under_way += 1
        if self._threads < self.slots:
            self._threads += 1
        else:
            await self._next_free()
        self._seat(work)

    def _seat(self, work: Work) -> None:
        """Give work a free slot, unless it was abandoned or has run meanwhile."""
        with self._lock:
            work.holds_slot = not (work.abandoned or work.stage is Stage.RAN)
        if not work.holds_slot:
            self.under_way -= 1
            self._threads -= 1
            self._grow()

    def abandon(self, work: Work, *, even_running: bool = True) -> bool:
        """Give work up. False when it has just run and its report is on the way, or when it is
        running and ``even_running`` is false.

        A running body gets a new thread in its place, unless there are too many abandoned ones;
        then the slot stays taken until the body ends.
        """
        replaced = self._abandoned < self._most_replaced or not work.holds_slot
        with self._lock:
            is_running = work.stage is Stage.RUNNING
            if work.stage is Stage.RAN or (is_running and not even_running):
                return False
            work.abandoned = True
            work.leaves = replaced
        self._abandoned += is_running
        if work.holds_slot and not (is_running and not replaced):
            self.under_way -= 1
            self._threads -= is_running
            self._grow()
        return True

    def interrupt(self, work: Work) -> None:
        """Do nothing: a thread cannot be interrupted."""

    def close(self) -> None:
        """Let idle threads end. Running bodies continue, and are not waited for."""
        self._closed = True
        self._starter.close()
        with self._lock:
            self._dismissals += self._threads
        for _ in range(self._threads):
            self._queue.put(None)

    def _grow(self) -> None:
        needed = min(self.slots, self.under_way)
        while self._threads < needed and not self._closed:
            if not self._starter.try_start(self._start_thread):
                return
            self._threads += 1

    def _start_thread(self) -> None:
        # Bodies see no context variables of the code that happens to need a thread.
        serve = partial(contextvars.Context().run, self._serve)
        threading.Thread(target=serve, name="cloaca-body", daemon=True).start()

    async def _next_free(self) -> None:
        """Wait for the slot of the next thread that becomes free; it may be idle already."""
        resumed: asyncio.Future[None] = self._loop.create_future()
        self._resuming.append(resumed)
        with self._lock:
            self._dismissals += 1
        self._queue.put(None)
        await resumed

    # -- on the threads ----------------------------------------------------------------------

    def _serve(self) -> None:
        thread = threading.get_ident()
        while not (self._dismissals and self._is_dismissed()):
            if self._queue.get() is None or (work := self._next()) is None:
                continue
            self.running[thread] = work
            work = self._run(work)
            del self.running[thread]
            leaves = self._has_run(work)
            self._reports.put(work)
            if leaves:
                return
        self._reports.put(None)

    def _run(self, work: Work) -> Work:
        """Run work. Returns this work, or the last work that has run in its slot after it."""
        try:
            work.run()
        except BaseException as error:  # noqa: BLE001 - any error would cost a slot
            work.broke(error)
        return work

    def _has_run(self, work: Work) -> bool:
        """Note that work has run. Returns whether its thread must end, since another thread has its
        slot.
        """
        with self._lock:
            work.stage = Stage.RAN
            return work.leaves or not work.holds_slot

    def _next(self) -> Work | None:
        """Begin the work whose turn it is; None if it has been given up."""
        with self._lock:
            if not self._waiting.works and len(self._arrived) == 1:
                work: Work | None = self._arrived.popleft()  # nothing else to choose from
            else:
                self._waiting.put_all(self._arrived)
                work = self._waiting.take()
            if work is None or work.abandoned:
                return None
            work.begin()
            return work

    def _next_now(self) -> Work | None:
        """As ``_next``, without waiting. None also if a thread must check whether it is
        dismissed.
        """
        try:
            item = self._queue.get_nowait()
        except Empty:
            return None
        if item is None:
            self._queue.put(None)
            return None
        return self._next()

    def _is_dismissed(self) -> bool:
        with self._lock:
            if not self._dismissals:
                return False
            self._dismissals -= 1
            return True

    # -- on the loop again -------------------------------------------------------------------

    def _report(self, work: Work | None) -> None:
        if work is None:
            self._pass_slot_on()
        elif work.abandoned:
            self._abandoned -= 1
            self.under_way -= not work.leaves
        else:
            self.under_way -= work.holds_slot  # else it has ended while it waits
            work.finished(work)

    def _pass_slot_on(self) -> None:
        """A thread has ended: give its slot to the body that asked for one."""
        while self._resuming:
            resumed = self._resuming.popleft()
            if not resumed.done():
                resumed.set_result(None)
                return
        self._threads -= 1
