"""The clock: one object that is passed to all code that reads the time.

So a test, or a simulation, can set the time of a whole engine. Timers belong to the event loop: a
loop whose ``time()`` is this clock's ``monotonic()`` moves both.
"""

from __future__ import annotations

import time


class Clock:
    """The clocks of this computer. Any thread may read them."""

    def wall(self) -> int:
        """µs since 1970, as rows hold it. May step."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds since some moment; never steps back."""
        return time.monotonic()


SYSTEM_CLOCK = Clock()
