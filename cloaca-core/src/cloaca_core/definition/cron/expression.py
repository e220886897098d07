"""A cron expression in a time zone, as the instants at which it ticks.

The rule where a zone's clock jumps is that of Vixie's cron, read from the main loop of ``cron.c``
in Debian's cron 3.0pl1 (its patch "Better timeskip handling" from OpenBSD), in words close to those
of its manual page cron(8):

* Special considerations exist when the clock is changed by less than 3 hours. Jobs which would have
  run in the time that was skipped run soon after the change: here at the first instant after it,
  once, however many of an expression's times were skipped.
* Jobs that fall into the time that is repeated are not run again.
* Only jobs at a particular time are affected, not those with ``*`` in the hour or minute: these
  follow the wall clock, so they leave out a time that does not exist and tick in both passes of a
  repeated one. A field is a wildcard if it *begins* with ``*``: ``*/2`` is one, ``0-23`` is not.
* A greater change is a correction of the clock or the zone, and the new time is used at once:
  skipped times are left out, repeated ones run again. In cron's source this begins at three hours
  forward and at more than three hours back.

Vixie's cron has no seconds. If an expression has them, a ``*`` at their beginning makes a wildcard
too. Its daemon notices a change only by the flag of summer time; here every change counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from cloaca_core.definition.cron.fields import LONGEST_PAUSE, CronFields, read_fields
from cloaca_core.definition.cron.zones import Span, spans_from, zone_named
from cloaca_core.values.times.instants import SECOND, Instant

_THREE_HOURS: Final = 3 * 3600


@dataclass(frozen=True, slots=True)
class CronExpression:
    """Instants given by a cron expression in a time zone; CronExpressionError if it never ticks.

    Two are equal if their normal forms (``1`` for ``MON``) and the names of their zones are.
    """

    expression: str = field(compare=False)
    timezone: str
    normalized: str = field(init=False, repr=False)
    fields: CronFields = field(init=False, repr=False, compare=False)
    zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        fields = read_fields(self.expression)
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "normalized", fields.text)
        object.__setattr__(self, "zone", zone_named(self.timezone))

    def next_after(self, instant: Instant) -> Instant | None:
        """The first tick that is later than ``instant``.

        None when there is none within 50 years: near the end of the calendar, or when the zone's
        clock skips all of its times.
        """
        moment = _next_moment(self, instant // SECOND)
        return None if moment is None else moment * SECOND

    def between(self, after: Instant, until: Instant, limit: int | None = None) -> list[Instant]:
        """The ticks later than ``after`` and not later than ``until``; the first ``limit``."""
        first = self.next_after(after)
        if first is None or first > until:
            return []
        second = self.next_after(first)
        if second is None or second > until:  # the usual case, one tick: both are cached
            return [first][:limit]
        ticks = takewhile(lambda tick: tick <= until, self.ticks_after(after))
        return list(islice(ticks, limit))

    def ticks_after(self, instant: Instant) -> Iterator[Instant]:
        """Every tick that is later than ``instant``, each later than the one before."""
        return (moment * SECOND for moment in self._moments_after(instant // SECOND))

    def count(self, after: Instant, until: Instant) -> int:
        """The number of ticks that ``between`` has; takes time for each day."""
        first, last = after // SECOND + 1, until // SECOND
        if first > last:
            return 0
        spans = takewhile(lambda span: span.start <= last, spans_from(self.zone, first))
        return sum(self._count_in(span, first, last) for span in spans)

    def newest(self, after: Instant, until: Instant, limit: int) -> list[Instant]:
        """The last ``limit`` ticks that ``between`` has, oldest first."""
        reach = 60 * SECOND
        while until - reach > after and self.count(until - reach, until) < limit:
            reach *= 2
        found = self.between(max(after, until - reach), until)
        return found[max(0, len(found) - limit) :]

    def catches_up(self, span: Span) -> bool:
        """True when the clock change at a span's start neither loses times nor runs them twice.

        Skipped times run once, at the change; repeated ones in the first pass only.
        """
        return not self.fields.follows_real_time and -_THREE_HOURS <= span.jump < _THREE_HOURS

    def _moments_after(self, moment: int) -> Iterator[int]:
        search = _Search(self.fields)
        for span in spans_from(self.zone, moment):
            if span.start - moment > LONGEST_PAUSE:
                return
            floor = self._opening(span) - 1
            if span.start <= moment:
                floor = max(floor, moment + span.offset)
            while (wall := search.first_after(floor)) is not None:
                if wall >= span.end + span.offset:
                    break
                moment = max(wall - span.offset, span.start)
                yield moment
                floor = moment + span.offset

    def _opening(self, span: Span) -> int:
        """The wall-clock time at which a span's ticks begin, as if the clock had not jumped."""
        return span.start + (span.before if self.catches_up(span) else span.offset)

    def _count_in(self, span: Span, first: int, last: int) -> int:
        """Count a span's ticks from ``first`` to ``last``; skipped times are one, at its start."""
        wall = max(first, span.start) + span.offset
        opening = self._opening(span)
        end = min(last + 1, span.end) + span.offset
        count = self.fields.count(max(wall, opening), end)
        if first <= span.start and self.fields.count(opening, wall):
            count += not self.fields.count(wall, wall + 1)
        return count


@lru_cache(maxsize=4096)
def cron_expression(expression: str, timezone: str) -> CronExpression:
    """Read an expression; cached, since reading takes longer than finding the next tick."""
    return CronExpression(expression, timezone)


@lru_cache(maxsize=4096)
def _next_moment(cron: CronExpression, moment: int) -> int | None:
    """The first tick after ``moment``; cached, since deciding a tick asks several times, and many
    schedules tick at the same moment.
    """
    return next(cron._moments_after(moment), None)


class _Search:
    """Walks forward over wall-clock times and searches for each only once."""

    __slots__ = ("_fields", "_floor", "_found")

    def __init__(self, fields: CronFields) -> None:
        self._fields = fields
        self._floor: int | None = None
        self._found: int | None = None

    def first_after(self, floor: int) -> int | None:
        if not self._holds(floor):
            self._floor, self._found = floor, self._fields.first_after(floor)
        return self._found

    def _holds(self, floor: int) -> bool:
        """True when the last time found is the first after ``floor`` too."""
        if self._floor is None or floor < self._floor:
            return False
        return self._found is None or floor < self._found
