"""The days that the two day fields name, alone and together."""

from __future__ import annotations

from datetime import date, timedelta

from tables import each_row

from cloaca_core.definition.cron.days import days_of, nearest_weekday


def days(of_month: str, of_week: str, month: date) -> list[int]:
    """The days of a month that are named."""
    named = days_of(of_month, of_week)
    each = [month + timedelta(days=n) for n in range(31)]
    return [day.day for day in each if day.month == month.month and named.match(day)]


# August 2026 begins on a Saturday and has 31 days; its Mondays are 3, 10, 17, 24, 31.
AUGUST = date(2026, 8, 1)
# May 2026 ends on a Sunday.
MAY = date(2026, 5, 1)


@each_row(
    ("named", "of_month", "of_week", "month"),
    [
        ([31], "L", "*", AUGUST),
        ([28], "L", "*", date(2026, 2, 1)),
        ([29], "LW", "*", MAY),
        ([28], "*", "5L", AUGUST),
        ([10], "*", "1#2", AUGUST),
        ([], "*", "1#5", date(2026, 2, 1)),
        ([2, 9, 16, 23, 30], "*", "0", AUGUST),
        ([2, 9, 16, 23, 30], "*", "7", AUGUST),
        # Saturday the 15th: the Friday before. Sunday the 16th: the Monday after.
        ([14], "15W", "*", AUGUST),
        ([17], "16W", "*", AUGUST),
        ([14, 17], "15W,16W", "*", AUGUST),
        # Both restricted: either.
        ([1, 3, 10, 17, 24, 31], "1", "1", AUGUST),
        ([3, 10, 14, 17, 24, 31], "15W", "1", AUGUST),
        # Of two restricted fields, one that names each day.
        (list(range(1, 32)), "1-31", "1", AUGUST),
        # A field that begins with a star is not restricted, also with a step: both must match.
        ([3, 17, 31], "*/2", "1", AUGUST),
        ([2, 16, 30], "2-30/2", "*/7", AUGUST),
        ([1], "1,15W", "*/6", AUGUST),  # Saturday the 1st; Friday the 14th is none of 0, 6
    ],
)
def test_the_days_of_a_month(named: list[int], of_month: str, of_week: str, month: date) -> None:
    assert days(of_month, of_week, month) == named


@each_row(
    ("expected", "month", "day"),
    [
        (12, AUGUST, 12),  # a Wednesday
        (14, AUGUST, 15),
        (17, AUGUST, 16),
        (3, AUGUST, 1),  # a Saturday at the beginning cannot go back
        (29, MAY, 31),  # a Sunday at the end cannot go on
        (None, date(2026, 2, 1), 30),
    ],
)
def test_the_nearest_weekday_stays_in_its_month(
    expected: int | None, month: date, day: int
) -> None:
    assert nearest_weekday(month, day) == expected
