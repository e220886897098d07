"""The database's clock, read without asking it.

Leases are kept on it: the clocks of the machines that share a database need not agree. Statements
that run anyway bring a reading; in between this machine's monotonic clock, which nobody can set,
counts on.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class DatabaseClock:
    """A clock in µs. ``monotonic`` is in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._ahead = 0

    def start(self) -> float:
        """The moment at which a question is sent."""
        return self._monotonic()

    def read(self, sent: float, answer: int) -> None:
        """Learn what the database answered; it did so half way between sending and now."""
        self._ahead = answer - int((sent + self._monotonic()) / 2 * 1e6)

    def now(self) -> int:
        """About what the database's clock shows."""
        return int(self._monotonic() * 1e6) + self._ahead
