"""Pauses between tries of what will work again some time: each twice as long, up to a bound."""

from __future__ import annotations

import asyncio


class Backoff:
    """``first`` and ``longest`` are in seconds."""

    __slots__ = ("_longest", "first", "pause")

    def __init__(self, first: float, longest: float) -> None:
        self.first: float = min(first, longest)
        self.pause: float = self.first
        """The next pause."""
        self._longest = longest

    def next(self) -> float:
        """The pause before the next try; the one after it is longer."""
        pause = self.pause
        self.pause = min(pause * 2, self._longest)
        return pause

    async def wait(self) -> None:
        """Pause on the running loop."""
        await asyncio.sleep(self.next())

    def reset(self) -> None:
        """It has worked."""
        self.pause = self.first
