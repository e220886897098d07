"""Which clock a lease is on, after one of them was set."""

from __future__ import annotations

import pytest

from cloaca_core.engine.recover.lease_clock import LeaseClock
from cloaca_core.values.times.clock import Clock

LEASE = 15.0
IDLE_LEASE = 180.0
HOUR = 3600.0


class Time(Clock):
    """Our own clock and the one of leases, in seconds."""

    def __init__(self) -> None:
        self.own = 1000.0
        self.ahead = 0.0

    def monotonic(self) -> float:
        return self.own

    def shown(self) -> int:
        return int((self.own + self.ahead) * 1e6)


@pytest.fixture
def time() -> Time:
    return Time()


def test_a_lease_of_any_length_counts_while_nobody_sets_the_clock(time: Time) -> None:
    clock = LeaseClock(time.shown, LEASE, IDLE_LEASE, time)
    lease = time.shown() + 600_000_000
    time.own += 100
    clock.notice()

    assert clock.left(lease, idle=False) == 500


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_lease_from_before_a_step_ends_when_it_would_have(time: Time, step: float) -> None:
    clock = LeaseClock(time.shown, LEASE, IDLE_LEASE, time)
    lease = time.shown() + 15_000_000
    time.ahead = step
    time.own += 10
    clock.notice()
    left = clock.left(lease, idle=False)
    time.own += 10
    clock.notice()

    assert (left, clock.left(lease, idle=False)) == (5, -5)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_lease_from_after_a_step_ends_by_the_clock_as_it_is(time: Time, step: float) -> None:
    clock = LeaseClock(time.shown, LEASE, IDLE_LEASE, time)
    time.ahead = step
    clock.notice()

    assert clock.left(time.shown() + 15_000_000, idle=False) == 15
    assert clock.left(time.shown() - 1_000_000, idle=False) == -1


def test_a_step_is_forgotten_when_everybody_must_have_noticed(time: Time) -> None:
    clock = LeaseClock(time.shown, LEASE, IDLE_LEASE, time)
    lease = time.shown() + 10 * 15_000_000
    time.ahead = HOUR
    clock.notice()
    time.own += 2 * LEASE + 1
    clock.notice()

    assert clock.left(lease, idle=False) < -3000
