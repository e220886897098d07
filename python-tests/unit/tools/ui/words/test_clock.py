"""Instants on the clock of a reader."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from tables import each_row

from cloaca_tools.ui.words.clock import Clock, zone_of
from cloaca_tools.views.lists.filters import parse

NOW = datetime(2026, 11, 27, 8, 14, 30, tzinfo=UTC)
CLOCK = Clock(ZoneInfo("Europe/Oslo"), NOW)


def test_days_and_minutes_are_those_of_the_reader() -> None:
    assert CLOCK.day("2026-11-08T23:30:00+00:00") == "9 Nov"
    assert CLOCK.day("2025-11-08T23:30:00+00:00") == "9 Nov 2025"
    assert CLOCK.minute("2026-11-27T01:00:59+00:00") == "02:00"
    assert CLOCK.minute("2026-11-28T01:00:00+00:00") == "28 Nov 02:00"


@each_row(
    ("text", "told"),
    [
        ("wait since 2026-11-27T07:13:58.062451+00:00", "wait since 08:13"),
        ("r1 since 2026-11-26T07:13:58Z, and has not", "r1 since 26 Nov 08:13, and has not"),
        ("2026-11-27T09:00:00+05:00 to 2026-11-27T10:00:00Z", "05:00 to 11:00"),
        ("runner 2026-13-40T99:00:00Z has ended", "runner 2026-13-40T99:00:00Z has ended"),
        ("no time", "no time"),
    ],
)
def test_instants_in_a_sentence_are_told_on_the_clock_of_the_reader(text: str, told: str) -> None:
    assert CLOCK.retold(text) == told


def test_a_time_that_a_browser_writes_is_in_the_readers_zone() -> None:
    written = CLOCK.instant("2026-07-01T09:00")
    assert written is not None
    assert written.astimezone(UTC) == datetime(2026, 7, 1, 7, 0, tzinfo=UTC)
    assert CLOCK.instant("2026-07-01T09:00+00:00") == datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
    assert CLOCK.instant("tomorrow") is None
    here = Clock(None, datetime(2026, 11, 27, tzinfo=UTC)).instant("2026-07-01T09:00")
    assert here is not None
    assert here.tzinfo is not None


def test_an_instant_is_told_on_the_clock_of_the_reader() -> None:
    assert CLOCK.when("2026-11-27T07:13:58.5Z") == "08:13:58"
    assert CLOCK.when("2026-11-26T23:30:00Z") == "00:30:00"  # today in Oslo
    assert CLOCK.when("2026-11-26T22:30:00Z") == "26 Nov 23:30:00"
    assert CLOCK.when("2025-07-01T10:00:00Z") == "1 Jul 2025 12:00:00"
    assert CLOCK.when(None) == ""
    assert CLOCK.near("2026-11-26T23:30:00Z") == "00:30:00"  # today in Oslo
    assert CLOCK.near("2026-11-26T22:30:00Z") == "26 Nov 23:30"
    assert CLOCK.full("2026-07-01T10:00:00Z") == "2026-07-01 12:00:00.000000 CEST"


@each_row(
    ("at", "told"),
    [
        ("2026-11-27T08:15:00Z", "30 s"),
        ("2026-11-27T08:42:18Z", "28 m"),  # the seconds would change all the time
        ("2026-11-27T10:14:30Z", "2 h 00 m"),
        ("2026-11-28T14:14:30Z", "1 d 06 h"),
        ("2026-11-27T08:14:30Z", "1.0 s"),
    ],
)
def test_a_time_to_come_has_no_seconds(at: str, told: str) -> None:
    assert CLOCK.ahead(at) == told


def test_how_long_ago_and_in_how_long() -> None:
    assert CLOCK.ago("2026-11-27T08:13:26Z") == "1 m 04 s"
    assert CLOCK.ago("2026-11-27T08:15:34Z") == "1 m 04 s"
    assert CLOCK.ago("2026-11-27T08:14:26.4Z") == "4 s"
    assert CLOCK.ago("2026-11-27T08:14:29.9Z") == "1 s"
    assert CLOCK.seconds_since("2026-11-27T08:15:34Z") == -64
    assert CLOCK.ago(None) == ""


@each_row("name", ["", "Nowhere/Else", "../../etc/passwd", "\0", "/etc/localtime"])
def test_a_zone_that_is_none_is_that_of_this_machine(name: str) -> None:
    assert zone_of(name) is None


def test_a_zone_of_a_browser() -> None:
    assert zone_of("Europe/Oslo") == ZoneInfo("Europe/Oslo")


def test_midnight_of_the_reader_begins_the_day() -> None:
    assert CLOCK.midnight() == "2026-11-27T00:00+01:00"
    assert CLOCK.midnight(1) == "2026-11-26T00:00+01:00"
    assert parse(f"since:{CLOCK.midnight(1)} until:{CLOCK.midnight()}").terms


def test_a_day_is_as_long_as_the_clocks_of_the_reader_make_it() -> None:
    after_the_change = datetime(2026, 10, 25, 12, tzinfo=UTC)

    clock = Clock(ZoneInfo("Europe/Oslo"), after_the_change)

    assert clock.midnight() == "2026-10-25T00:00+02:00"
    assert Clock(clock.zone, after_the_change + timedelta(days=1)).midnight(1) == clock.midnight()


def test_the_zone_has_a_name() -> None:
    assert CLOCK.zone_name == "Europe/Oslo"
    assert Clock(None, datetime.now(UTC)).zone_name


def test_a_schedule_takes_the_zone_of_the_reader_by_its_iana_name() -> None:
    assert CLOCK.iana_zone == "Europe/Oslo"
    assert Clock(UTC, datetime.now(UTC)).iana_zone == "UTC"
    assert Clock(None, datetime.now(UTC)).iana_zone == "UTC"


@each_row("text", ["0001-01-01T00:00", "9999-12-31T23:59:59-12:00"])
def test_an_instant_of_no_year_in_utc_cannot_be_read(text: str) -> None:
    assert CLOCK.instant(text) is None


@each_row("text", ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+00:00"])
def test_an_instant_of_no_year_in_a_zone_is_shown_in_its_own(text: str) -> None:
    for hours in (-12, 12):
        there = Clock(timezone(timedelta(hours=hours)), NOW)
        assert str(int(text[:4])) in there.when(text)
