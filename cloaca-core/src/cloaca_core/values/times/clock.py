"""The clock: one object that is passed to all code that reads the time.

So a test, or a simulation, can set the time of a whole engine. Timers belong to the event loop: a
loop whose ``time()`` is this clock's ``monotonic()`` moves both.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

CORRECTION: Final = 250_000
"""µs. A wall that moves by less than that was corrected; by more, it was set."""


class Clock:
    """The clocks of this computer. Any thread may read them."""

    def wall(self) -> int:
        """µs since 1970, as rows hold it. May step."""
        return time.time_ns() // 1000

    monotonic: Callable[[], float] = staticmethod(time.monotonic)
    """Seconds since some moment; never steps back. Read twice for each body, so it is the function
    itself.
    """


SYSTEM_CLOCK = Clock()
