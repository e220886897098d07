"""Timing of one schedule: its ticks, and the instant at which each is due.

A tick is an instant of the expression, within the schedule's dates; it identifies its run for ever.
Jitter moves the time when it is due, not the tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.values.times.instants import SECOND, Instant


@dataclass(frozen=True, slots=True)
class Timing:
    """The times of a schedule. Both dates are included; None means no bound."""

    schedule_id: str
    cron: CronExpression
    jitter_seconds: int = 0
    start: Instant | None = None
    end: Instant | None = None

    def next_tick(self, after: Instant) -> Instant | None:
        """The first tick later than ``after``; None when there are no more."""
        tick = self.cron.next_after(self._from(after))
        return None if tick is None or tick > self._until(tick) else tick

    def due_at(self, tick: Instant) -> Instant:
        """The instant to fire a tick: the same on every runner, and before the next tick."""
        if not self.jitter_seconds:
            return tick
        room = self.jitter_seconds * SECOND
        later = self.cron.next_after(tick)
        if later is not None:
            room = min(room, later - tick)
        return tick + jitter(self.schedule_id, tick, room)

    def between(self, after: Instant, until: Instant, limit: int | None = None) -> list[Instant]:
        """The ticks later than ``after`` and not later than ``until``; the first ``limit``."""
        return self.cron.between(self._from(after), self._until(until), limit)

    def count(self, after: Instant, until: Instant) -> int:
        """The number of ticks that ``between`` has."""
        return self.cron.count(self._from(after), self._until(until))

    def newest(self, after: Instant, until: Instant, limit: int) -> list[Instant]:
        """The last ``limit`` ticks that ``between`` has, oldest first."""
        return self.cron.newest(self._from(after), self._until(until), limit)

    def _from(self, after: Instant) -> Instant:
        return after if self.start is None else max(after, self.start - 1)

    def _until(self, until: Instant) -> Instant:
        return until if self.end is None else min(until, self.end)


def jitter(schedule_id: str, tick: Instant, room: int) -> int:
    """A number from 0 to below ``room``, computed from the schedule and the tick.

    Not random: all runners must agree on when a tick is due, also after a restart.
    """
    digest = blake2b(f"{schedule_id} {tick}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) * room >> 64
