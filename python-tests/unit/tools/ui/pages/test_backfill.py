"""The period of a back-fill, by the days of an address."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from tables import each_row

from cloaca_tools.ui.pages.backfill import Days, days_of

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 27, 7, 30, tzinfo=UTC)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_days_are_those_of_the_schedule_and_both_included() -> None:
    assert days_of("2026-11-09", "2026-11-11", OSLO, NOW) == Days(
        date(2026, 11, 9),
        date(2026, 11, 11),
        instant("2026-11-08T23:00:00Z"),
        instant("2026-11-11T23:00:00Z"),
    )


def test_the_last_two_weeks_are_usual_and_end_now() -> None:
    found = days_of("", "", OSLO, NOW)

    assert (found.first, found.last, found.end) == (date(2026, 11, 14), date(2026, 11, 27), NOW)


def test_a_period_ends_by_now() -> None:
    assert days_of("2026-11-20", "2027-01-01", OSLO, NOW).end == NOW
    assert days_of("", "2026-11-20", OSLO, NOW).first == date(2026, 11, 7)


def test_a_day_of_a_clock_change_is_whole() -> None:
    found = days_of("2026-03-29", "2026-03-29", OSLO, NOW)

    assert (found.end - found.start).total_seconds() == 23 * 3_600


@each_row(
    ("first", "last"),
    [
        ("x", ""),
        ("", "29.3.2026"),
        ("2026-11-20", "2026-11-19"),
        ("2026-11-28", ""),  # tomorrow
        ("", "0001-01-01"),
        ("", "9999-12-31x"),
        ("9999-12-31", ""),
        ("0001-01-01", "0001-01-02"),
    ],
)
def test_other_periods_are_refused(first: str, last: str) -> None:
    with pytest.raises(ValueError, match=r"period|dates"):
        days_of(first, last, OSLO, NOW)
