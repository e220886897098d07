"""An engine's clock shows the time of its loop, whichever loop that is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from cloaca_testing.virtual_clock import BEGINNING, VirtualClock, micros
from cloaca_testing.virtual_loop import BOOT, VirtualLoop

NOON = 1_773_144_000_000_000
"""µs of ``BEGINNING``."""


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    yield made
    made.close()


def test_the_first_loop_begins_at_noon(loop: VirtualLoop) -> None:
    clock = VirtualClock(lambda: loop)

    assert (clock.monotonic(), clock.wall()) == (BOOT, NOON)
    assert micros(BEGINNING) == NOON


def test_both_times_pass_with_the_loop(loop: VirtualLoop) -> None:
    clock = VirtualClock(lambda: loop, datetime(2030, 1, 1, tzinfo=UTC))
    begun = clock.wall()

    loop.stand_still(2.5)

    assert (clock.monotonic(), clock.wall()) == (BOOT + 2.5, begun + 2_500_000)


def test_the_next_loop_goes_on_at_the_same_time(loop: VirtualLoop) -> None:
    loops = [loop]
    clock = VirtualClock(lambda: loops[-1])
    loop.stand_still(60)

    loops.append(VirtualLoop(loop.time()))

    assert clock.wall() == NOON + 60_000_000
    loops.pop().close()


def test_the_wall_may_be_set_and_no_timer_notices(loop: VirtualLoop) -> None:
    clock = VirtualClock(lambda: loop)

    clock.step(-3600)

    assert (clock.monotonic(), clock.wall()) == (BOOT, NOON - 3_600_000_000)
    assert clock.loop_time(clock.wall()) == BOOT
    assert clock.loop_time(NOON) == BOOT + 3600
