"""A clock that stands until a test moves it."""

from __future__ import annotations

from cloaca_core.values.clock import Clock


class HandClock(Clock):
    """``now`` is in seconds; the wall shows the same, since 1970."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def wall(self) -> int:
        return round(self.now * 1e6)

    def monotonic(self) -> float:
        return self.now
