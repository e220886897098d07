"""The clock by which an engine writes instants: the store's, which all runners of it share.

A deadline, the time of a retry and the end of a round are read by other runners than those that
wrote them, perhaps on machines whose clocks differ.
"""

from __future__ import annotations

from typing import Protocol

from cloaca_core.values.times.clock import CORRECTION, Clock
from cloaca_core.values.times.instants import SECOND, Instant


class HasClock(Protocol):
    """A store, as far as it is a clock."""

    def wall(self) -> int:
        """µs since 1970, without asking the database."""


class StoreClock(Clock):
    """Wall time of the database; monotonic time of this machine."""

    def __init__(self, store: HasClock, machine: Clock) -> None:
        self.wall = store.wall  # type: ignore[method-assign]  # read several times for each run
        self.monotonic = machine.monotonic


def seconds_early(clock: Clock, due: Instant) -> float:
    """Seconds from the end of a timer to the instant ``due`` that it stands for, which the wall has
    not reached if it was corrected meanwhile. 0 if it has, and if the wall was set back: then the
    time that the timer took counts.
    """
    early = due - clock.wall()
    return early / SECOND if 0 < early < CORRECTION else 0.0
