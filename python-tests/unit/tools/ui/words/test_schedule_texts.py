"""Schedules, triggers and acts in words."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from tables import each_row

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.features.schedules.timing.explain import explain_schedule, in_words
from cloaca_tools.ui.words.clock import Clock
from cloaca_tools.ui.words.schedule_texts import (
    clock_change,
    coming,
    cron_words,
    every,
    offset,
    there,
    tick,
)

NOW = "2026-11-27T07:30:00+00:00"
CLOCK = Clock(ZoneInfo("Europe/Oslo"), datetime.fromisoformat(NOW))

SKIPS = "it skips 1 time of the schedule: run once, at the change"
REPEATS = "it repeats 1 time of the schedule: run in the first pass only"


@each_row(
    ("expression", "words"),
    [
        ("0 2 * * *", "02:00 every day"),
        ("*/15 * * * *", "every 15 minutes"),
        ("5 * * * *", "5 past every hour"),
        ("0 3 * * 1-5", "03:00 on workdays"),
        ("0 9 * * 1", "09:00 on Mondays"),
        ("* * * * *", "every minute"),
        ("0 0 1 1 *", "00:00 on January 1"),
    ],
)
def test_schedules_in_few_words(expression: str, words: str) -> None:
    assert cron_words(in_words(CronExpression(expression, "UTC").normalized)) == words


@each_row(
    ("at", "words"),
    [
        ("2026-11-27T07:30:30+00:00", "08:30, in 30 s"),
        ("2026-11-27T07:45:20+00:00", "08:45, in 15 m"),
        ("2026-11-27T20:00:00+00:00", "21:00, in 12 h 30 m"),
        ("2026-11-27T07:00:00+00:00", "due since 08:00"),
        ("2026-11-28T01:00:00+00:00", "tomorrow 02:00"),
        ("2026-11-30T02:00:00+00:00", "Mon 30 Nov 03:00"),
        ("2027-01-01T00:00:00+00:00", "Fri 1 Jan 2027 01:00"),
        (None, ""),
    ],
)
def test_what_is_to_come_is_told_by_the_readers_clock(at: str | None, words: str) -> None:
    assert coming(CLOCK, at, NOW) == words


@each_row(
    ("seconds", "words"),
    [(5.0, "5 s"), (1.5, "1.5 s"), (0.1, "100 ms"), (60, "1 m"), (7200, "2 h")],
)
def test_how_often_a_trigger_is_polled(seconds: float, words: str) -> None:
    assert every(seconds) == words


def test_a_tick_stands_in_its_own_zone() -> None:
    at = datetime(2027, 3, 28, 1, 0, tzinfo=UTC)

    assert tick(CLOCK, at.astimezone(ZoneInfo("Europe/Oslo"))) == "Sun 28 Mar 03:00"
    assert tick(CLOCK, at.replace(second=5)) == "Sun 28 Mar 01:00:05"
    assert tick(CLOCK, at.replace(month=6)) == "Mon 28 Jun 2027 01:00"


@each_row(
    ("zone", "words"),
    [
        ("Europe/Oslo", "UTC+1"),
        ("Asia/Kolkata", "UTC+5:30"),
        ("America/St_Johns", "UTC-3:30"),
        ("UTC", "UTC"),
    ],
)
def test_how_far_a_clock_is_from_utc(zone: str, words: str) -> None:
    assert offset(datetime(2026, 11, 27, tzinfo=ZoneInfo(zone))) == words


def test_a_clock_change_says_what_it_does_to_a_schedule() -> None:
    found = explain_schedule("30 2 * * *", "Europe/Oslo", after="2026-11-27T00:00:00Z")

    assert [clock_change(each) for each in found.clock_changes] == [
        f"Sun 28 Mar 2027: the clock goes forward from 02:00 to 03:00; {SKIPS}",
        f"Sun 31 Oct 2027: the clock goes back from 03:00 to 02:00; {REPEATS}",
    ]


def test_a_tick_has_the_time_of_its_schedule_s_zone_beside_it_where_that_is_another() -> None:
    at = "2026-11-28T23:30:00Z"

    assert there(CLOCK, at, "America/New_York") == "Sat 18:30 in America/New_York"
    assert there(CLOCK, "2026-11-28T10:00:00Z", "UTC") == "10:00 in UTC"
    assert there(CLOCK, at, "Europe/Berlin") == ""
    assert there(CLOCK, at, None) == there(CLOCK, at, "no/zone") == ""
