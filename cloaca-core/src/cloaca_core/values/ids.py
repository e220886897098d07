"""Run ids: UUIDv7 text, in the order in which this process made them.

Listings and the claim sort by id, so ids of one millisecond must be in order too: within a
millisecond the random field is a counter (RFC 9562, section 6.2, method 2).
"""

from __future__ import annotations

import random
import re
import threading
from typing import Final

from cloaca_core.values.times.clock import SYSTEM_CLOCK, Clock

_RANDOM_BITS: Final = 74
_MASK_B: Final = (1 << 62) - 1


_RUN_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def is_run_id(text: str) -> bool:
    """True when the text has the form of a run's id."""
    return _RUN_ID.fullmatch(text) is not None


def first_id_of(instant: int) -> str:
    """A text that no id of an instant, in µs, or later is below, and every earlier one is."""
    text = f"{min(max(instant // 1000, 0), (1 << 48) - 1):012x}"
    return f"{text[:8]}-{text[8:]}"


class RunIds:
    """Makes ids. Thread-safe; not for use in a forked child."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._random = random.SystemRandom()
        self._steps = random.Random()  # noqa: S311 - only spreads ids of one millisecond
        self._millisecond = 0
        self._last = 0

    def next(self) -> str:
        """The next id, greater than every one before it even when the clock steps back."""
        now = self._clock.wall() // 1000
        with self._lock:
            self._last += 1 + self._steps.getrandbits(32)
            if now > self._millisecond:
                self._millisecond = now
                self._last = max(self._last, now << _RANDOM_BITS | self._start())
            return _uuid_text(self._last)

    def _start(self) -> int:
        """The counter's first value in a millisecond; its top bit is 0 to leave room."""
        return self._random.getrandbits(_RANDOM_BITS - 1)


def _uuid_text(value: int) -> str:
    random = value & ((1 << _RANDOM_BITS) - 1)
    milliseconds = value >> _RANDOM_BITS
    number = milliseconds << 80 | 7 << 76 | (random >> 62) << 64 | 2 << 62 | random & _MASK_B
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
