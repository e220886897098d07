"""Counts the places for runs, and wakes the caller that waits for one.

A runner holds at most ``max_active_runs``; a run whose bodies all wait for others takes no place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns


class Capacity:
    """Belongs to the engine's loop. While ``paused``, only runs for which a body here waits get a
    place. ``asked`` is called with each change while another runner asks for runs.
    """

    def __init__(self, most: int, runs: ActiveRuns) -> None:
        self.paused: bool = False
        self.most: int = most
        self.asked: Callable[[], None] | None = None
        self._runs = runs
        self._expected = 0
        self._changed = asyncio.Event()
        self._is_enough: Callable[[], bool] | None = None

    def free(self) -> int:
        """Places for further runs."""
        taken = len(self._runs) - self._runs.waiting() + self._expected
        return max(0, self.most - taken)

    def is_in_use(self) -> bool:
        """True while runs are ours, or about to be."""
        return bool(len(self._runs) or self._expected)

    def expect(self, count: int) -> None:
        """Keep places for so many runs, which are on their way to us."""
        self._expected += count

    def arrived(self, count: int) -> None:
        """Keep the places of so many runs no more: they are ours now, or will not come."""
        self._expected -= count

    @contextmanager
    def expecting(self, count: int) -> Iterator[None]:
        """Keep so many places within the block."""
        self._expected += count
        try:
            yield
        finally:
            self._expected -= count

    def changed(self) -> None:
        """A place may have become free, or a slot may need work."""
        if self.asked is not None:
            self.asked()
        if self._is_enough is not None and self._is_enough():
            self._is_enough = None  # the caller is awake: it asks for itself
            self._changed.set()

    async def wait_until(self, is_enough: Callable[[], bool]) -> None:
        """Return when ``is_enough()``, which each ``changed`` asks again. One caller at a time."""
        while not is_enough():
            self._is_enough = is_enough
            self._changed.clear()
            try:
                await self._changed.wait()
            finally:
                self._is_enough = None
