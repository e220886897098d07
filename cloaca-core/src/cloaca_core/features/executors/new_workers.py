"""Has a process pool of the standard library notice when a worker that it has just started dies.

When a call comes, the pool's thread takes a list of the workers whose end it waits for; only then
is a worker started for that call. If that worker dies, the pool notices it with the next call or
answer: without one, the call would wait for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Sized
from concurrent.futures import Executor


class NewWorkers:
    """Wakes the thread of a pool after each call that has started a worker. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._executor: Executor | None = None
        self._count = 0

    def after_call(self, executor: Executor) -> None:
        """A call was submitted. The attributes are private, and have not changed since 3.9."""
        workers = getattr(executor, "_processes", None)
        if not isinstance(workers, Sized):
            return
        with self._lock:
            if executor is self._executor and len(workers) == self._count:
                return
            self._executor, self._count = executor, len(workers)
        shutdown_lock = getattr(executor, "_shutdown_lock", None)
        if shutdown_lock is not None:
            with shutdown_lock:  # as for the pool's own calls: it may be closing
                wakeup = getattr(executor, "_executor_manager_thread_wakeup", None)
                if wakeup is not None:
                    wakeup.wakeup()
