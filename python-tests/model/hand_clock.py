"""Clocks that a test moves, or its loop."""

from __future__ import annotations

import asyncio

from cloaca_core.values.times.clock import Clock


class HandClock(Clock):
    """``now`` is in seconds; the wall shows the same, since 1970."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def wall(self) -> int:
        return round(self.now * 1e6)

    def monotonic(self) -> float:
        return self.now


class LoopClock(Clock):
    """The wall is this computer's, all else the running loop's, which may be a virtual one."""

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
