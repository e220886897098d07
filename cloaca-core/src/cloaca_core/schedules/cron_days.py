"""Which days a cron expression names.

cronsim knows ``L``, ``LW``, ``5L`` and ``1#2``; the weekday nearest to a day (``15W``) is added.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date

from cronsim import CronSim

from cloaca_core.schedules.cron_text import cronsim_of, nearest


@dataclass(frozen=True, slots=True)
class CronDays:
    """The days that both day fields name, or either of them.

    ``days`` is what cronsim makes of them without the terms like ``15W``, which are ``nearest``;
    with ``only_nearest`` the day of month has no others.
    """

    days: CronSim
    nearest: frozenset[int]
    only_nearest: bool
    either: bool

    def match(self, day: date) -> bool:
        """Whether the day is named, whatever its month."""
        if self.either:
            return self.days.match_dow(day) or self._matches_day_of_month(day)
        return self.days.match_dow(day) and self._matches_day_of_month(day)

    def _matches_day_of_month(self, day: date) -> bool:
        if not self.only_nearest and self.days.match_dom(day):
            return True
        return bool(self.nearest) and any(nearest_weekday(day, n) == day.day for n in self.nearest)


def days_of(of_month: str, of_week: str) -> CronDays:
    """Read the two day fields of a normal form.

    As in Vixie cron a field is restricted when it does not begin with ``*``, and when both are,
    either may match: ``*/2`` in one of them asks for both.
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

    Saturdays give way to the Friday before, Sundays to the Monday after, at the month's ends to
    the other side. None when the month is too short to have the day.
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
