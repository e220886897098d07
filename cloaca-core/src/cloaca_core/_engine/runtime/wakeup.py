"""How a loop that knows when it has something to do next waits for that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class Wakeup:
    """Wakes one loop when the time has come, or before when it is told to."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to do sooner than was known. Also during a turn."""
        self._woken.set()

    async def turn(self, act: Callable[[], Awaitable[float | None]]) -> None:
        """Act, then sleep for the seconds that this gave, None for ever, or until it is woken."""
        self._woken.clear()
        seconds = await act()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
