"""The threads of sync bodies, and when none of them can go on by itself any more."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue

from cloaca_core.engine.execute.threads import ABANDONED_PER_SLOT, BodyThreads
from cloaca_core.engine.execute.work import Work


class WatchedThreads(BodyThreads):
    """The real ones, whose comings and goings are counted."""

    def __init__(
        self, slots: int, loop: asyncio.AbstractEventLoop, *, replaced: int = ABANDONED_PER_SLOT
    ) -> None:
        super().__init__(slots, loop, replaced=replaced)
        self._queue = self._watched = _WatchedQueue()
        self._counting = threading.Lock()
        self._living = 0

    def stand_still(self, standing: int) -> bool:
        """Whether all threads wait for work in vain, but for so many that stand in bodies. Reports
        of what has run are on their way then.
        """
        return self._watched.is_waited_for_in_vain(self._living - standing)

    def _start_thread(self) -> None:
        self._count(1)
        try:
            super()._start_thread()
        except BaseException:
            self._count(-1)
            raise

    def _serve(self) -> None:
        super()._serve()
        self._count(-1)

    def _count(self, change: int) -> None:
        with self._counting:
            self._living += change


class _WatchedQueue(SimpleQueue["Work | None"]):
    def __init__(self) -> None:
        super().__init__()
        self._counting = threading.Lock()
        self._items = 0
        self._waiting = 0

    def is_waited_for_in_vain(self, threads: int) -> bool:
        """Whether so many threads wait, and none of them is about to get something."""
        with self._counting:
            return self._waiting == threads and not (self._waiting and self._items)

    def put(self, item: Work | None, block: bool = True, timeout: float | None = None) -> None:
        with self._counting:
            self._items += 1
        super().put(item, block, timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Work | None:
        with self._counting:
            self._waiting += 1
        item = super().get(block, timeout)
        with self._counting:
            self._waiting -= 1
            self._items -= 1
        return item
