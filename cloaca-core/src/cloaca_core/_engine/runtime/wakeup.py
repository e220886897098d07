"""How a loop that knows when it has something to do next waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class Alarm:
    """Wakes one loop when the time has come, or before when somebody rings."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """There may be something to do sooner than was known. What rings during a turn counts."""
        self._rung.set()

    async def turn(self, act: Callable[[], Awaitable[float | None]]) -> None:
        """Act, then sleep for the seconds that this gave, None for ever, or until it rings."""
        self._rung.clear()
        seconds = await act()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
