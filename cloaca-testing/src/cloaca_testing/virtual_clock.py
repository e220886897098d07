"""Clocks of virtual time: the one that an engine reads."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cloaca_core.values.times.clock import Clock
from cloaca_testing.virtual_loop import BOOT

if TYPE_CHECKING:
    from cloaca_testing.virtual_loop import VirtualLoop

BEGINNING: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
"""A Tuesday, noon: the time on the wall when the first loop is made, by default."""


class VirtualClock(Clock):
    """The time of the loop that ``loop_now`` returns. The wall shows ``start`` at ``BOOT``."""

    def __init__(self, loop_now: Callable[[], VirtualLoop], start: datetime = BEGINNING) -> None:
        self._loop_now = loop_now
        self._start = micros(start)

    def wall(self) -> int:
        return self._start + round((self._loop_now().time() - BOOT) * 1e6)

    def monotonic(self) -> float:
        return self._loop_now().time()

    def step(self, seconds: float) -> None:
        """Set the wall, forwards or back; no timer notices."""
        self._start += round(seconds * 1e6)

    def loop_time(self, wall: int) -> float:
        """The time of the loop at this instant of the wall."""
        return BOOT + (wall - self._start) / 1e6


def micros(moment: datetime) -> int:
    """µs since 1970."""
    return round(moment.timestamp() * 1e6)
