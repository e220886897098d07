"""Walking over wall-clock times: forward, and by counting."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, strategies as st
from model.cron_texts import expressions
from tables import each_row

from cloaca_core.definition.cron.fields import days_of, nearest_weekday, read_fields
from cloaca_core.errors import CronExpressionError

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the wall's own clock


def wall(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(seconds=1)


@each_row(
    ("expected", "expression", "after"),
    [
        ("2026-08-01T10:30:30", "30 30 10 * * *", "2026-08-01T10:30:29"),
        ("2026-08-02T10:30:30", "30 30 10 * * *", "2026-08-01T10:30:30"),
        ("2026-08-01T10:45:00", "15,45 10 * * *", "2026-08-01T10:15:00"),
        ("2026-08-01T12:15:00", "15 */2 * * *", "2026-08-01T10:15:00"),
        ("2026-08-01T12:15:00", "15 */2 * * *", "2026-08-01T11:59:59"),
        ("2027-01-01T00:00:00", "@yearly", "2026-01-01T00:00:00"),
        ("2028-02-29T00:00:00", "0 0 29 2 *", "2026-01-01T00:00:00"),
        ("2104-02-29T00:00:00", "0 0 29 2 *", "2096-02-29T00:00:00"),  # 2100 is no leap year
        (None, "0 0 29 2 *", "9996-03-01T00:00:00"),  # the calendar ends with 9999
    ],
)
def test_the_first_time_after(expected: str | None, expression: str, after: str) -> None:
    found = read_fields(expression).first_after(wall(after))
    assert found == (None if expected is None else wall(expected))


@given(text=expressions(), start=st.integers(0, 4 * 10**9), times=st.integers(0, 50))
def test_counting_is_walking(text: str, start: int, times: int) -> None:
    """From ``start`` on and before the last one that was walked to."""
    fields = read_fields(text)
    found = [start - 1]
    for _ in range(times + 1):
        later = fields.first_after(found[-1])
        assert later is not None
        found.append(later)
    assert fields.count(start, found[-1]) == times
    assert fields.count(start, found[-1] + 1) == times + 1


def test_nothing_is_counted_backwards() -> None:
    assert read_fields("* * * * *").count(600, 0) == 0


@each_row(
    "expression",
    [
        "0 0 31 2 *",
        "0 0 30 FEB ?",
        "0 0 31 4,6,9,11 *",
        "0 0 31W 2 *",
        "0 0 15W * */7",  # a weekday and a Sunday
        "0 0 */31 * 1#2",  # the first day and the second Monday
    ],
)
def test_dates_that_never_come_are_refused(expression: str) -> None:
    with pytest.raises(CronExpressionError, match="names days that never come") as caught:
        read_fields(expression)
    assert str(caught.value).startswith("Invalid cron expression or timezone: ")
    assert caught.value.given == expression


@each_row("expression", ["0 0 29 2 */7", "0 0 * 2 1#5", "0 0 */30 * 1#1,5#5"])
def test_a_date_that_comes_once_in_decades_is_taken(expression: str) -> None:
    assert read_fields(expression).first_after(wall("2026-01-01T00:00:00")) is not None


@each_row(
    ("wildcard", "expression"),
    [
        (True, "* 2 * * *"),
        (True, "0 */2 * * *"),
        (True, "*,5 2 * * *"),
        (True, "* 30 2 * * *"),
        (True, "@hourly"),
        (False, "0,*/5 2 * * *"),  # does not begin with the star
        (False, "0-59 0-23 * * *"),
        (False, "0 30 2 * * *"),
        (False, "@daily"),
    ],
)
def test_a_wildcard_begins_with_a_star(wildcard: bool, expression: str) -> None:
    assert read_fields(expression).follows_real_time is wildcard


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
