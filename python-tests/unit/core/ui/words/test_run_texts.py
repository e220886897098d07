"""Errors, sizes, values of filters, and times of lists as the page writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloaca_core.observe.filters import parse
from cloaca_core.ui.words.run_texts import cause, size, term
from cloaca_core.ui.words.texts import Clock

CLOCK = Clock(ZoneInfo("Europe/Oslo"), datetime(2026, 11, 27, 8, 14, 30, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ""),
        (
            "1 task(s) failed, 0 completed; first error: load: OSError: gone\nand more",
            "load: OSError: gone",
        ),
        ("deadline of 5 s exceeded", "deadline of 5 s exceeded"),
    ],
)
def test_the_cause_is_the_first_error(text: str | None, expected: str) -> None:
    assert cause(text) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (503_808, "504 kB"),
        (1_234_567_890, "1.2 GB"),
        (2_500_000_000_000, "2.5 TB"),
    ],
)
def test_a_size_has_a_unit(number: int | None, expected: str) -> None:
    assert size(number) == expected


@pytest.mark.parametrize("value", ["order", "a::b::order", "a b", 'x"y,z', "-x", ""])
def test_a_value_stands_in_a_filter_as_it_is(value: str) -> None:
    assert parse(f"workflow:{term(value)}").terms[0].values == (value,)


def test_midnight_of_the_reader_begins_the_day() -> None:
    assert CLOCK.midnight() == "2026-11-27T00:00+01:00"
    assert parse(f"since:{CLOCK.midnight()}").terms


def test_times_without_seconds_name_another_day() -> None:
    assert CLOCK.hour("2026-11-27T07:30:00Z") == "08:30"
    assert CLOCK.hour("2026-11-28T01:00:00Z") == "Sat 02:00"


def test_the_zone_has_a_name() -> None:
    assert CLOCK.zone_name == "Europe/Oslo"
    assert Clock(None, datetime.now(UTC)).zone_name
