"""The days that a cron expression names.

cronsim knows ``L``, ``LW``, ``5L`` and ``1#2``; this adds the weekday nearest to a day (``15W``).
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date

from cronsim import CronSim

from cloaca_core.definition.cron.text import cronsim_of, nearest


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
