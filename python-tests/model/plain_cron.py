"""Vixie's cron as a plain program: a daemon that wakes each minute and looks at the wall's clock.

Written from the main loop of ``cron.c`` and from the words of the contract, not from what is under
test: fields are expanded by listing values, days are asked one by one, and a zone is read minute by
minute. The one thing changed: a job that the daemon starts several times in a minute ticks once.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
FIRST_DAY = date(1970, 1, 1).toordinal()
THREE_HOURS = 3 * 60


class PlainCron:
    """An expression of five fields, read from its text in the dullest way."""

    def __init__(self, expression: str) -> None:
        texts = expression.split()
        self.minute, self.hour, self.day, self.month, self.weekday = texts
        self.wildcard = self.minute[0] == "*" or self.hour[0] == "*"
        self.both_days = self.day[0] in "*?" or self.weekday[0] in "*?"
        minutes, hours = numbers(self.minute, 0, 59), numbers(self.hour, 0, 23)
        self.minutes_of_day = {60 * hour + minute for hour in hours for minute in minutes}
        self.months = numbers(self.month, 1, 12)
        # A day is asked about at each of its minutes.
        self.names_day = cache(self._names_day)

    def names(self, wall: int) -> bool:
        """Whether the minute on the wall, counted since 1970, is one of the expression's."""
        return wall % 1440 in self.minutes_of_day and self.names_day(wall // 1440)

    def _names_day(self, days: int) -> bool:
        day = date.fromordinal(FIRST_DAY + days)
        if day.month not in self.months:
            return False
        of_month = any(is_day_of_month(term, day) for term in self.day.split(","))
        of_week = any(is_day_of_week(term, day) for term in self.weekday.split(","))
        return (of_month and of_week) if self.both_days else (of_month or of_week)


def numbers(field: str, least: int, most: int) -> set[int]:
    """The values of a field of numbers."""
    found: set[int] = set()
    for term in field.split(","):
        values, _, step = term.partition("/")
        first, _, last = values.partition("-")
        if first in ("*", "?"):
            first, last = str(least), str(most)
        elif not last:
            last = str(most) if step else first
        found |= set(range(int(first), int(last) + 1, int(step or 1)))
    return found


def is_day_of_month(term: str, day: date) -> bool:
    """Whether a day is meant by a term of the day-of-month field."""
    length = monthrange(day.year, day.month)[1]
    if term == "L":
        return day.day == length
    if term == "LW":
        return day == max(each for each in days_of(day) if each.weekday() < 5)
    if term.endswith("W"):
        wanted = int(term[:-1])
        if wanted > length:
            return False
        # The nearest weekday of this month: no two are equally near.
        weekdays = [each for each in days_of(day) if each.weekday() < 5]
        return day == min(weekdays, key=lambda each: abs(each.day - wanted))
    return day.day in numbers(term, 1, 31)


def is_day_of_week(term: str, day: date) -> bool:
    """Whether a day is meant by a term of the day-of-week field, where 0 and 7 are Sunday."""
    sunday_first = day.isoweekday() % 7
    if term.endswith("L"):
        same = [each for each in days_of(day) if each.weekday() == day.weekday()]
        return int(term[:-1]) % 7 == sunday_first and day == max(same)
    if "#" in term:
        weekday, nth = term.split("#")
        same = [each for each in days_of(day) if each.weekday() == day.weekday()]
        return int(weekday) % 7 == sunday_first and same.index(day) + 1 == int(nth)
    return sunday_first in {number % 7 for number in numbers(term, 0, 7)}


def days_of(day: date) -> list[date]:
    """The days of its month."""
    return [day.replace(day=each) for each in range(1, monthrange(day.year, day.month)[1] + 1)]


def wall_minutes(zone: ZoneInfo, start: datetime, end: datetime) -> list[int]:
    """The wall clock at each minute of real time, in minutes since 1970 on the wall clock."""
    found = []
    while start < end:
        wall = start.astimezone(zone)
        days = wall.toordinal() - FIRST_DAY
        found.append(days * 1440 + wall.hour * 60 + wall.minute)
        start += MINUTE
    return found


def clock_was_put(walls: list[int]) -> dict[int, range]:
    """At which of the minutes the daemon finds that the clock was put, and for which minutes it
    then starts jobs of fixed times; it has been up for long at the first.
    """
    found = {}
    virtual = walls[0] - 1
    for index, running in enumerate(walls):
        difference = running - virtual
        if difference != 1 and -THREE_HOURS < difference <= THREE_HOURS:
            # Minutes that the clock left out are made up for; those that it repeats have been.
            found[index] = range(virtual + 1, running + 1)
        if difference > 0 or difference <= -THREE_HOURS:
            virtual = running
    return found


def jobs_run(cron: PlainCron, walls: list[int], put: dict[int, range]) -> Iterator[int]:
    """At which of the minutes the daemon starts the job."""
    fixed = {} if cron.wildcard else put
    minutes = cron.minutes_of_day  # asked here too, before a call: almost every minute is no tick
    for index, running in enumerate(walls):
        if index in fixed:
            if any(map(cron.names, fixed[index])):
                yield index
        elif running % 1440 in minutes and cron.names(running):
            yield index


def ticks(expression: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """All ticks from ``start`` on and before ``end``, both whole minutes in UTC."""
    assert start.tzinfo is UTC
    cron, walls = PlainCron(expression), wall_minutes(zone, start, end)
    return [start + index * MINUTE for index in jobs_run(cron, walls, clock_was_put(walls))]
