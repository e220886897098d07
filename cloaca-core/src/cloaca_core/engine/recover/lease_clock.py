"""Computes how long the lease of another runner lasts, on a clock that may be set at any moment.

A lease taken before the clock was set ends by the old clock, and its runner may not have noticed
yet. The remaining time shows which clock a lease is on: on the wrong one it would last far longer
than any lease does, or have ended just as long ago. This module decides nothing about runners.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_core.values.times.clock import Clock

STEP: Final = 0.5
"""The smallest step of the clock that is corrected for, as a fraction of a lease. A smaller step
cannot end the lease of a live runner, and delays a takeover only by its own length.
"""
LONGEST: Final = 4
"""How many times our own lease a lease can last; if it lasts longer, it is on the other clock. A
runner that owns nothing has a longer lease, which is compared with our own idle lease.
"""
STALE: Final = 2
"""After this many leases every runner has noticed a step, so the correction ends."""


class LeaseClock:
    """``read`` returns µs. ``lease`` is the length of our own lease in seconds, ``idle_lease`` its
    length while we own nothing.
    """

    def __init__(
        self, read: Callable[[], int], lease: float, idle_lease: float, clock: Clock
    ) -> None:
        self._read = read
        self._lease = lease
        self._idle_lease = idle_lease
        self._clock = clock
        self._ahead = self._measured()
        self._step = 0.0
        self._stepped_at = 0.0

    def notice(self) -> None:
        """Compare the clock with the monotonic clock, which is never set."""
        step = self._measured() - self._ahead
        self._ahead += step
        if abs(step) >= STEP * self._lease:
            self._step = step
            self._stepped_at = self._clock.monotonic()
        elif self._clock.monotonic() - self._stepped_at > STALE * self._idle_lease:
            self._step = 0.0

    def left(self, lease_until: int, *, idle: bool) -> float:
        """Seconds until the lease of a runner ends, zero or less when it has ended; ``idle`` if the
        runner owns nothing.
        """
        left = (lease_until - self._read()) / 1e6
        usual = self._idle_lease if idle else self._lease
        has_noticed = self._clock.monotonic() - self._stepped_at > STALE * usual
        if not self._step or has_noticed:
            return left
        possible = [each for each in (left, left + self._step) if each <= LONGEST * usual]
        return max(possible, default=left)

    def _measured(self) -> float:
        return self._read() / 1e6 - self._clock.monotonic()
