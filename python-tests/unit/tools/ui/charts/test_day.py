"""The ticks of the next 24 hours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cloaca_tools.ui.charts.day import Lane, hours, lane

NOW = datetime(2026, 11, 27, 7, 30, tzinfo=UTC)


def ticks(*minutes: int) -> list[datetime]:
    return [NOW + timedelta(minutes=each) for each in minutes]


def test_each_third_hour_of_the_readers_clock_has_a_line() -> None:
    lines = hours(NOW, ZoneInfo("Europe/Oslo"))

    assert [each.text for each in lines] == [
        "09:00", "12:00", "15:00", "18:00", "21:00", "00:00", "03:00", "06:00",
    ]  # fmt: skip
    assert (lines[0].x, lines[0].odd) == ("2.08%", True)
    assert (lines[1].x, lines[1].odd) == ("14.58%", False)


def test_a_line_at_the_edge_is_left_out() -> None:
    lines = hours(datetime(2026, 11, 27, 8, 59, tzinfo=UTC), UTC)

    assert (lines[0].text, lines[-1].text) == ("12:00", "06:00")


def test_across_a_clock_change_hours_are_those_of_the_clock() -> None:
    night = datetime(2027, 3, 27, 21, 30, tzinfo=UTC)  # 22:30 in Oslo, the day of 23 hours

    texts = [each.text for each in hours(night, ZoneInfo("Europe/Oslo"))]

    assert texts == ["00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]
    assert hours(night, ZoneInfo("Europe/Oslo"))[1].x == "14.58%"  # 02:00 is not there: 3.5 hours


def test_ticks_are_strokes_at_their_minutes() -> None:
    assert lane(ticks(0, 15, 1_439), NOW, 3) == Lane("M0 11v11M15 11v11M1439 11v11", None)
    assert lane([], NOW, 0) == Lane("", None)


def test_many_ticks_are_a_band() -> None:
    assert lane(ticks(*range(1, 301)), NOW, 1_440) == Lane("", (1, 1_439))
    assert lane(ticks(*range(10, 220)), NOW, 210) == Lane("", (10, 209))
