"""The clock of this computer reads what Python reads."""

from __future__ import annotations

import time

from cloaca_core.values.times.clock import SYSTEM_CLOCK


def test_the_wall_is_in_microseconds_since_1970() -> None:
    before = time.time_ns() // 1000
    shown = SYSTEM_CLOCK.wall()

    assert before <= shown <= time.time_ns() // 1000


def test_the_other_one_is_in_seconds() -> None:
    before = time.monotonic()
    shown = SYSTEM_CLOCK.monotonic()

    assert before <= shown <= time.monotonic()
