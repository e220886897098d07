"""Time zones by their IANA names, as spans of time in which the offset from UTC stays the same.

Moments are seconds since 1970 in UTC. The rules are zoneinfo's. It has no list of changes, so they
are found by comparing the offset every few days, then searching for the exact second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from cloaca_core.errors import CronExpressionError
from cloaca_core.values.arguments import nearest_name, text

# Other files in a system's folder of zones: a link to its own zone, and the zone of no place.
_NO_ZONES: Final = frozenset(("localtime", "posixrules", "Factory"))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# From 2000 on no zone's clock is changed twice within a week.
_STRIDE: Final = 3 * 86_400
FIRST_YEAR: Final = 2
LAST_YEAR: Final = 9998
"""The last year whose moments can be expressed in local time in every zone."""


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` on and before ``end`` local time is ``offset`` seconds ahead of UTC.

    Before ``start`` it was ``before`` seconds ahead.
    """

    start: int
    end: int
    offset: int
    before: int

    @property
    def jump(self) -> int:
        """Seconds by which the clock was put forward at the start; negative if back."""
        return self.offset - self.before


def zone_named(name: object) -> ZoneInfo:
    """Return the zone; CronExpressionError for a name that is not in the IANA database."""
    name = text("timezone", name)
    known = _names()
    if name not in known:
        near = nearest_name(name[:64], known)
        hint = f"; did you mean {near!r}?" if near else ""
        raise CronExpressionError(
            f"Invalid cron expression or timezone: {name!r} is no IANA time zone{hint}",
            field="timezone",
            given=name,
        )
    return ZoneInfo(name)


@cache
def _names() -> frozenset[str]:
    """All zone names; cached, since it reads the folder tree of the system's database."""
    return frozenset(available_timezones()) - _NO_ZONES


def spans_from(zone: ZoneInfo, moment: int) -> Iterator[Span]:
    """The span of ``moment`` and the later spans, until the calendar ends."""
    first = (_EPOCH + timedelta(seconds=moment)).year
    for year in range(max(first, FIRST_YEAR), LAST_YEAR + 1):
        for span in _spans(zone, year):
            if span.end > moment:
                yield span


@lru_cache(maxsize=4096)
def _spans(zone: ZoneInfo, year: int) -> tuple[Span, ...]:
    """The spans of a year; a span also ends with the year, without a change of the clock."""
    start, end = _new_year(year), _new_year(year + 1)
    looks = [(at, _offset(zone, at)) for at in (*range(start - 1, end - 1, _STRIDE), end - 1)]
    changes = (
        _change(zone, low, high, old) for (low, old), (high, new) in pairwise(looks) if new != old
    )
    return tuple(
        Span(at, until, _offset(zone, at), _offset(zone, at - 1))
        for at, until in pairwise(sorted({start, end, *changes}))
    )


def _change(zone: ZoneInfo, low: int, high: int, old: int) -> int:
    """The moment after ``low`` and up to ``high`` from which the offset is another than ``old``."""
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, middle) == old:
            low = middle
        else:
            high = middle
    return high


def _offset(zone: ZoneInfo, moment: int) -> int:
    ahead = (_EPOCH + timedelta(seconds=moment)).astimezone(zone).utcoffset()
    assert ahead is not None
    return round(ahead.total_seconds())


def _new_year(year: int) -> int:
    return (datetime(year, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
