"""Days, minutes and narrow durations of the pages about workflows."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloaca_core.ui.words.texts import Clock, brief

OSLO = Clock(ZoneInfo("Europe/Oslo"), datetime(2026, 11, 27, 8, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, ""), (0.25, "250 ms"), (41, "41 s"), (64, "1 m 04"), (5_400, "1 h 30")],
)
def test_a_narrow_column_leaves_out_the_last_unit(seconds: float | None, expected: str) -> None:
    assert brief(seconds) == expected


def test_days_and_minutes_are_those_of_the_reader() -> None:
    assert OSLO.day("2026-11-08T23:30:00+00:00") == "9 Nov"
    assert OSLO.day("2025-11-08T23:30:00+00:00") == "9 Nov 2025"
    assert OSLO.minute("2026-11-27T01:00:59+00:00") == "02:00"
    assert OSLO.minute("2026-11-28T01:00:00+00:00") == "28 Nov 02:00"


def test_a_time_that_a_browser_writes_is_in_the_readers_zone() -> None:
    written = OSLO.instant("2026-07-01T09:00")
    assert written is not None
    assert written.astimezone(UTC) == datetime(2026, 7, 1, 7, 0, tzinfo=UTC)
    assert OSLO.instant("2026-07-01T09:00+00:00") == datetime(2026, 7, 1, 9, 0, tzinfo=UTC)
    assert OSLO.instant("tomorrow") is None
    here = Clock(None, datetime(2026, 11, 27, tzinfo=UTC)).instant("2026-07-01T09:00")
    assert here is not None
    assert here.tzinfo is not None
