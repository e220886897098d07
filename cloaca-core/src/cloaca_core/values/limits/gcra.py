"""Rates, by the generic cell rate algorithm (GCRA, ITU-T I.371): one instant is all its state.

The state ``tat`` is the theoretical arrival time: the instant at which the next one would come if
all came evenly. One may come earlier than that by the time of ``burst - 1`` others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core.values.limits.rates import Rate
    from cloaca_core.values.times.instants import Instant


def interval(rate: Rate) -> int:
    """The time between two, in µs, when they come evenly. Rounded up: never more than the rate."""
    return -(-rate.period_us // rate.count)


def allowed_at(rate: Rate, tat: Instant, now: Instant) -> Instant:
    """The first instant from ``now`` on at which one more is allowed."""
    return max(now, bounded(rate, tat, now) - (rate.burst - 1) * interval(rate))


def taken(rate: Rate, tat: Instant, now: Instant) -> Instant:
    """The state after one more, which comes at ``now``."""
    return max(bounded(rate, tat, now), now) + interval(rate)


def full_at(rate: Rate, tat: Instant, now: Instant, waiting: int) -> Instant:
    """The first instant from ``now`` on at which as many are allowed as wait, or a whole burst."""
    together = min(waiting, rate.burst)
    return max(now, bounded(rate, tat, now) - (rate.burst - together) * interval(rate))


def bounded(rate: Rate, tat: Instant, now: Instant) -> Instant:
    """The state, as far as this rate can have led to it: it may have been another rate, or another
    clock. Where it differs it is to be kept, else it would be bounded anew at each later look.
    """
    return min(tat, now + rate.burst * interval(rate))
