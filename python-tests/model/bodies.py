"""Work for the tests of the executors: it stands still until it is let go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from cloaca_core._engine.work import Work


class Body(Work):
    """Says when it has begun, and ends when ``go`` is called; from any thread."""

    def __init__(self, *, is_async: bool = False) -> None:
        super().__init__(is_async=is_async, finished=self._note)
        self.loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.reported = asyncio.Event()
        self.reports = 0
        self.was_cancelled = False
        self._go = threading.Event()
        self._wake: Callable[[], object] = self._go.set

    def go(self) -> None:
        self._go.set()
        with suppress(RuntimeError):  # the loop of the bodies is closed
            self._wake()

    def run(self) -> None:
        self._signal(self.begun)
        self._go.wait()
        self._signal(self.ended)

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

    def _signal(self, event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the test is over and its loop is closed
            self.loop.call_soon_threadsafe(event.set)

    def _note(self, work: Work) -> None:
        assert work is self
        self.reports += 1
        self.reported.set()
