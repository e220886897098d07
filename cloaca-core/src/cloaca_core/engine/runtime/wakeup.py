"""Lets a loop sleep until it has something to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class Wakeup:
    """Wakes one loop when the time has come, or earlier on request."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to do sooner than was known. It counts during a turn as well."""
        self._woken.set()

    async def turn(self, act: Callable[[], Awaitable[float | None]]) -> None:
        """Call ``act``, then sleep for the seconds it returned (None: for ever) or until woken."""
        self._woken.clear()
        seconds = await act()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
