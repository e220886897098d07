"""The wall-clock times that a cron expression names, and steps over them.

A wall-clock time is a count of seconds since 1970-01-01 00:00 on that clock: this module knows no
zones. cronsim reads the fields and knows the days. Its iterator is not used, because it fails in
zones: it goes back in time when started in a repeated hour, leaves out ticks near half-hour
shifts, and treats expressions with seconds differently from those without.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date
from typing import Final

from cronsim import CronSim

from cloaca_core.definition.cron.text import cronsim_of, nearest, normal_form
from cloaca_core.errors import CronExpressionError

DAY: Final = 86_400
LONGEST_PAUSE: Final = 50 * 366 * DAY
"""Longer than any gap between dates of an expression: at most 40 years (29 February on a given
weekday)."""
_EPOCH: Final = date(1970, 1, 1).toordinal()
_LAST_DAY: Final = date.max.toordinal() - _EPOCH
_YEAR_2000: Final = (date(2000, 1, 1).toordinal() - _EPOCH) * DAY


@dataclass(frozen=True, slots=True)
class _Times:
    """Times of a day, in seconds since midnight: every combination of its parts."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    def first(self) -> int:
        """The first time of the day."""
        return self.hours[0] * 3600 + self.minutes[0] * 60 + self.seconds[0]

    def after(self, time: int) -> int | None:
        """The first that is later than ``time``; None when the day has no more."""
        hour, minute, second = _parts(time)
        if hour in self.hours:
            if minute in self.minutes and second < self.seconds[-1]:
                return hour * 3600 + minute * 60 + _above(self.seconds, second)
            if minute < self.minutes[-1]:
                return hour * 3600 + _above(self.minutes, minute) * 60 + self.seconds[0]
        if hour < self.hours[-1]:
            return _above(self.hours, hour) * 3600 + self.minutes[0] * 60 + self.seconds[0]
        return None

    def before(self, time: int) -> int:
        """The number of times earlier than ``time``."""
        hour, minute, second = _parts(time)
        count = bisect_left(self.hours, hour) * len(self.minutes) * len(self.seconds)
        if hour in self.hours:
            count += bisect_left(self.minutes, minute) * len(self.seconds)
            if minute in self.minutes:
                count += bisect_left(self.seconds, second)
        return count


def _parts(time: int) -> tuple[int, int, int]:
    return time // 3600, time // 60 % 60, time % 60


def _above(values: tuple[int, ...], value: int) -> int:
    return values[bisect_right(values, value)]


@dataclass(frozen=True, slots=True)
class CronFields:
    """An expression that was read; ``text`` is its normal form."""

    text: str
    times: _Times
    months: frozenset[int]
    days: CronDays

    @property
    def follows_real_time(self) -> bool:
        """True when seconds (if given), minute or hour begin with ``*``: a wildcard job."""
        return any(field.startswith("*") for field in self.text.split()[:-3])

    @property
    def rhythm(self) -> int | None:
        """The seconds after which the times repeat, if they do so the whole day and on each day.

        None for an expression of some hours or some days only.
        """
        if self.text.split()[-3:] != ["*", "*", "*"] or len(self.times.hours) < 24:
            return None
        return 3600 if len(self.times.minutes) < 60 else 60

    def first_after(self, wall: int) -> int | None:
        """The first named time later than ``wall``; None if there is none within 50 years."""
        day, time = divmod(wall, DAY)
        if self._names(day):
            later = self.times.after(time)
            if later is not None:
                return day * DAY + later
        found = self._first_day(day + 1)
        return None if found is None else found * DAY + self.times.first()

    def count(self, start: int, end: int) -> int:
        """The number of named times from ``start`` on and before ``end``."""
        if start >= end:
            return 0
        days = sum(map(self._names, range(start // DAY, end // DAY)))
        return days * len(self.times) - self._earlier(start) + self._earlier(end)

    def _earlier(self, wall: int) -> int:
        """The number of times of the same day before ``wall``."""
        day, time = divmod(wall, DAY)
        return self.times.before(time) if self._names(day) else 0

    def _names(self, day: int) -> bool:
        if not -_EPOCH < day <= _LAST_DAY:
            return False
        at = date.fromordinal(day + _EPOCH)
        return at.month in self.months and self.days.match(at)

    def _first_day(self, day: int) -> int | None:
        """The first named day from ``day`` on."""
        last = min(day + LONGEST_PAUSE // DAY, _LAST_DAY)
        while day <= last:
            at = date.fromordinal(day + _EPOCH)
            if at.month not in self.months:
                day += calendar.monthrange(at.year, at.month)[1] - at.day + 1
            elif self.days.match(at):
                return day
            else:
                day += 1
        return None


def read_fields(expression: object) -> CronFields:
    """Read an expression; CronExpressionError when it is wrong or names dates that never come."""
    text = normal_form(expression)
    second, minute, hour, of_month, month, of_week = ["0", *text.split()][-6:]
    numbers = cronsim_of(second, minute, hour, "*", month, "*")
    fields = CronFields(
        text=text,
        times=_Times(*map(_ordered, (numbers.hours, numbers.minutes, numbers.seconds))),
        months=frozenset(numbers.months),
        days=days_of(of_month, of_week),
    )
    # 28 years from 2000 on have every kind of year: leap or not, begun on any day of the week.
    if fields.first_after(_YEAR_2000 - 1) is None:
        raise CronExpressionError(
            f"Invalid cron expression or timezone: {expression!r} names days that never come",
            field="day of month",
            given=str(expression),
        )
    return fields


def _ordered(values: set[int]) -> tuple[int, ...]:
    return tuple(sorted(values))


@dataclass(frozen=True, slots=True)
class CronDays:
    """The days that both day fields name, or either of them.

    ``days`` is cronsim's reading of them without terms like ``15W``, which are in ``nearest``;
    ``only_nearest`` is true when the day of month has no other terms.
    """

    days: CronSim
    nearest: frozenset[int]
    only_nearest: bool
    either: bool

    def match(self, day: date) -> bool:
        """True when the day is named; ignores the month."""
        if self.either:
            return self.days.match_dow(day) or self._matches_day_of_month(day)
        return self.days.match_dow(day) and self._matches_day_of_month(day)

    def _matches_day_of_month(self, day: date) -> bool:
        if not self.only_nearest and self.days.match_dom(day):
            return True
        return bool(self.nearest) and any(nearest_weekday(day, n) == day.day for n in self.nearest)


def days_of(of_month: str, of_week: str) -> CronDays:
    """Read the two day fields of a normal form.

    As in Vixie cron a field is restricted when it does not begin with ``*``. When both are, one
    match is enough; otherwise, as with ``*/2`` in one of them, both must match.
    """
    terms = of_month.split(",")
    others = [term for term in terms if nearest(term) is None]
    return CronDays(
        days=cronsim_of("0", "0", "0", ",".join(others) or "*", "*", of_week),
        nearest=frozenset(n for term in terms if (n := nearest(term)) is not None),
        only_nearest=not others,
        either=not (of_month.startswith("*") or of_week.startswith("*")),
    )


def nearest_weekday(month: date, day: int) -> int | None:
    """The day from Monday to Friday nearest to a day of ``month``, without leaving it.

    For a Saturday it is the Friday before, for a Sunday the Monday after; at the month's ends the
    weekday on the other side. None when the month has no such day.
    """
    last = calendar.monthrange(month.year, month.month)[1]
    if day > last:
        return None
    weekday = month.replace(day=day).weekday()
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < last else day - 2
    return day
