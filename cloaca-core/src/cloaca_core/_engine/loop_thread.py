"""The daemon thread that an engine's loop runs on, and how other threads call into it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """An event loop on a thread that never keeps the interpreter alive."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._stopping = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name="cloaca-engine", daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the loop; the future may be waited for on any other thread.

        It is cancelled when the thread is being stopped: the loop may not get round to it.
        """
        with self._lock:
            if not self._stopping:
                return asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        coroutine.close()
        too_late: concurrent.futures.Future[T] = concurrent.futures.Future()
        too_late.cancel()
        return too_late

    def is_current(self) -> bool:
        """True on the loop's own thread."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """Cancel what is left on the loop, end the thread and wait for it. Safe to call twice."""
        with self._lock:
            if not self._stopping:
                self._stopping = True
                self.loop.call_soon_threadsafe(self._cancel_rest)
        if not self.is_current():
            self._thread.join()

    def _cancel_rest(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.call_soon(self.loop.call_soon, self.loop.stop)

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()


def run_on_own_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """The outcome of work on a loop of its own, which ends with it."""
    thread = LoopThread()
    try:
        return thread.submit(coroutine).result()
    finally:
        thread.stop()
