"""The database's clock, read without a query of its own.

Leases and all instants in rows are by this clock, because the clocks of machines that share a
database may differ. Statements that run anyway return a reading; between readings this machine's
monotonic clock, which cannot be set, counts on.
"""

from __future__ import annotations

from collections.abc import Callable

from cloaca_core.values.times.clock import CORRECTION, SYSTEM_CLOCK


class DatabaseClock:
    """A clock in µs. ``monotonic`` is in seconds."""

    def __init__(self, monotonic: Callable[[], float] = SYSTEM_CLOCK.monotonic) -> None:
        self._monotonic = monotonic
        self._ahead: int | None = None
        self._doubt = 0
        self._correction = CORRECTION
        self._shown = 0

    def start(self) -> float:
        """Read the monotonic clock, just before a statement is sent."""
        return self._monotonic()

    def read(self, sent: float, answer: int) -> None:
        """Take a reading of the database's clock, made at some moment between sending and now.

        A reading only gives a range: the clock changes only if it is outside of that. On a busy
        machine the range may be wide, so a later reading corrects the clock by as much.
        """
        least, most = answer - _micros(self._monotonic()), answer - _micros(sent)
        if self._ahead is None or not least <= self._ahead <= most:
            doubt = (most - least) // 2
            self._correction = CORRECTION + self._doubt + doubt
            self._ahead, self._doubt = (least + most) // 2, doubt
        else:
            self._doubt = min(self._doubt, max(most - self._ahead, self._ahead - least))

    def now(self) -> int:
        """The database's clock, approximately. Rather than step back for a correction it goes on by
        1 µs at each reading: what happens in turn has instants in this order.
        """
        now = _micros(self._monotonic()) + (self._ahead or 0)
        if 0 < self._shown - now < self._correction:
            now = self._shown + 1
        self._shown = now
        return now


def _micros(seconds: float) -> int:
    return int(seconds * 1e6)
