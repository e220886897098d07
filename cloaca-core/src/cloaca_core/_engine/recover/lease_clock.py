"""How long the lease of another runner lasts, on a clock that may be set at any moment.

A lease that was taken before the clock was set ends by the clock as it was, and who took it may
not have noticed yet. Which of the two clocks a lease is on shows by its length: on the other one it
would last far longer than any does, or would be over for just as long. Notices steps; decides
nothing about runners.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_core.values.clock import Clock

STEP: Final = 0.5
"""Leases; less endangers nobody who beats, and delays nothing for longer than it is itself."""
LONGEST: Final = 4
"""Times our own lease: what is longer is on the other clock."""
STALE: Final = 2
"""Leases after a step in which everybody has noticed it."""


class LeaseClock:
    """``read`` answers in µs, ``lease`` is our own in seconds."""

    def __init__(self, read: Callable[[], int], lease: float, clock: Clock) -> None:
        self._read = read
        self._lease = lease
        self._clock = clock
        self._ahead = self._measured()
        self._step = 0.0
        self._stepped_at = 0.0

    def notice(self) -> None:
        """Compare the clock with our own, which nobody sets."""
        step = self._measured() - self._ahead
        self._ahead += step
        if abs(step) >= STEP * self._lease:
            self._step = step
            self._stepped_at = self._clock.monotonic()
        elif self._clock.monotonic() - self._stepped_at > STALE * self._lease:
            self._step = 0.0

    def left(self, lease_until: int) -> float:
        """Seconds until a lease ends, not above zero when it has."""
        left = (lease_until - self._read()) / 1e6
        possible = [each for each in (left, left + self._step) if each <= LONGEST * self._lease]
        return max(possible) if self._step and possible else left

    def _measured(self) -> float:
        return self._read() / 1e6 - self._clock.monotonic()
