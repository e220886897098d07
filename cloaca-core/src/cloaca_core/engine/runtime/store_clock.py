"""The clock by which an engine writes instants: the clock of the store, which all its runners
share.

A deadline, the time of a retry and the end of a round are read by other runners than the one that
wrote them, perhaps on machines whose clocks differ.
"""

from __future__ import annotations

from typing import Protocol

from cloaca_core.values.times.clock import CORRECTION, Clock
from cloaca_core.values.times.instants import SECOND, Instant


class HasClock(Protocol):
    """A store with a clock."""

    def wall(self) -> int:
        """µs since 1970, without asking the database."""


class StoreClock(Clock):
    """Wall time of the database; monotonic time of this machine."""

    def __init__(self, store: HasClock, machine: Clock) -> None:
        self.wall = store.wall  # type: ignore[method-assign]  # read several times for each run
        self.monotonic = machine.monotonic


def seconds_early(clock: Clock, due: Instant) -> float:
    """Seconds by which a timer for the instant ``due`` has fired too early: the wall clock has not
    reached ``due``, as it was corrected meanwhile. 0 if it has reached it, and if the wall clock
    was set back: then the duration of the timer counts.
    """
    early = due - clock.wall()
    return early / SECOND if 0 < early < CORRECTION else 0.0
