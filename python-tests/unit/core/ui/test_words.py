"""Durations and instants as the page writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from cloaca_core.ui.words import Clock, duration, first_line, short_id, zone_of

NOW = datetime(2026, 11, 27, 8, 14, 30, tzinfo=UTC)
CLOCK = Clock(ZoneInfo("Europe/Oslo"), NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 ms"),
        (0.0421, "42 ms"),
        (0.9994, "999 ms"),
        (1, "1.0 s"),
        (9.94, "9.9 s"),
        (10.4, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 m 00 s"),
        (64, "1 m 04 s"),
        (3_599.6, "1 h 00 m"),
        (4 * 3_600 + 24 * 60, "4 h 24 m"),
        (86_400, "1 d 00 h"),
        (90 * 86_400 + 3_600, "90 d 01 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_an_instant_is_told_on_the_clock_of_the_reader() -> None:
    assert CLOCK.when("2026-11-27T07:13:58.5Z") == "08:13:58"
    assert CLOCK.when("2026-11-26T23:30:00Z") == "00:30:00"  # today in Oslo
    assert CLOCK.when("2026-11-26T22:30:00Z") == "26 Nov 23:30:00"
    assert CLOCK.when("2025-07-01T10:00:00Z") == "1 Jul 2025 12:00:00"
    assert CLOCK.when(None) == ""
    assert CLOCK.full("2026-07-01T10:00:00Z") == "2026-07-01 12:00:00.000000 CEST"


def test_how_long_ago_and_in_how_long() -> None:
    assert CLOCK.ago("2026-11-27T08:13:26Z") == "1 m 04 s"
    assert CLOCK.ago("2026-11-27T08:15:34Z") == "1 m 04 s"
    assert CLOCK.seconds_since("2026-11-27T08:15:34Z") == -64
    assert CLOCK.ago(None) == ""


@pytest.mark.parametrize("name", ["", "Nowhere/Else", "../../etc/passwd", "\0", "/etc/localtime"])
def test_a_zone_that_is_none_is_that_of_this_machine(name: str) -> None:
    assert zone_of(name) is None


def test_a_zone_of_a_browser() -> None:
    assert zone_of("Europe/Oslo") == ZoneInfo("Europe/Oslo")


def test_short_texts() -> None:
    assert first_line(" a\nb") == "a"
    assert first_line(None) == ""
    assert short_id("01a21bda-6da4-7000-8000-000000000000") == "01a21bda-6da4"


@pytest.mark.parametrize("text", ["0001-01-01T00:00", "9999-12-31T23:59:59-12:00"])
def test_an_instant_of_no_year_in_utc_cannot_be_read(text: str) -> None:
    assert CLOCK.instant(text) is None


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+00:00"])
def test_an_instant_of_no_year_in_a_zone_is_shown_in_its_own(text: str) -> None:
    for hours in (-12, 12):
        there = Clock(timezone(timedelta(hours=hours)), NOW)
        assert str(int(text[:4])) in there.when(text)
