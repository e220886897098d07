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
        self._ahead: int | None = None

    def start(self) -> float:
        """The moment at which a question is sent."""
        return self._monotonic()

    def read(self, sent: float, answer: int) -> None:
        """Learn what the database answered, at some moment between sending and now.

        An answer that took long says little: it changes nothing that it does not contradict.
        """
        least, most = answer - _micros(self._monotonic()), answer - _micros(sent)
        if self._ahead is None or not least <= self._ahead <= most:
            self._ahead = (least + most) // 2

    def now(self) -> int:
        """About what the database's clock shows."""
        return _micros(self._monotonic()) + (self._ahead or 0)


def _micros(seconds: float) -> int:
    return int(seconds * 1e6)
