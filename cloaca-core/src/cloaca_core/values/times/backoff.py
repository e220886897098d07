"""Pauses between tries of an operation that may succeed later: each is longer, up to a bound."""

from __future__ import annotations

import asyncio


class Backoff:
    """Growing pauses, from ``first`` to ``longest`` seconds, each ``growth`` times the last one."""

    __slots__ = ("_growth", "_longest", "first", "pause")

    def __init__(self, first: float, longest: float, growth: float = 2.0) -> None:
        self.first: float = min(first, longest)
        self.pause: float = self.first
        """The next pause."""
        self._longest = longest
        self._growth = growth

    def next(self) -> float:
        """The pause before the next try; the one after it is longer."""
        pause = self.pause
        self.pause = min(pause * self._growth, self._longest)
        return pause

    async def wait(self) -> None:
        """Pause on the running loop."""
        await asyncio.sleep(self.next())

    def reset(self) -> None:
        """Begin again with the first pause, after a success."""
        self.pause = self.first
