"""Keeps the futures of callers that wait for the end of a run.

One object serves every ``result()`` of the runner: a run that ends here wakes its waiters
directly; runs of others are read together when the database has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container
from typing import Protocol

from cloaca_core.engine.observe.recent_runs import Ended


class Waiter(Protocol):
    """A future, or an object in the place of one."""

    def done(self) -> bool:
        """Whether it waits no more."""

    def set_result(self, ended: Ended, /) -> None:
        """The run has ended."""

    def set_exception(self, error: Exception, /) -> None:
        """The end will not be heard of."""


class Waiters:
    """Futures by run. Belongs to the engine's loop."""

    def __init__(self) -> None:
        self._futures: dict[str, list[Waiter]] = {}

    def add(self, run_id: str) -> asyncio.Future[Ended]:
        """A future that is done when the run has ended."""
        future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.append(run_id, future)
        return future

    def append(self, run_id: str, waiter: Waiter) -> None:
        """Tell this one of the end of the run."""
        self._futures.setdefault(run_id, []).append(waiter)

    def discard(self, run_id: str, future: Waiter) -> None:
        """The caller has stopped waiting for this future."""
        futures = self._futures.get(run_id, [])
        if future in futures:
            futures.remove(future)
            if not futures:
                del self._futures[run_id]

    def wake(self, run_id: str, ended: Ended) -> None:
        """The run has ended."""
        for future in self._futures.pop(run_id, ()):
            if not future.done():
                future.set_result(ended)

    def fail_all(self, error: Exception) -> None:
        """Fail all futures: the runner ends."""
        for futures in self._futures.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)
        self._futures.clear()

    def elsewhere(self, local: Container[str]) -> list[str]:
        """The runs that are waited for and not in ``local``."""
        return [run_id for run_id in self._futures if run_id not in local]
