"""Durations as people write them."""

from __future__ import annotations

from tables import each_row

from cloaca_tools.duration_texts import seconds_of, seconds_with_unit


@each_row(
    ("expected", "text"),
    [
        (90.0, "90"),
        (2.5, "2.5s"),
        (600.0, "10M"),
        (129_600.0, "1d12h"),
        (694_861.0, "1w1d1h1m1s"),
        (0.0, "0"),
        (None, ""),
        (None, "."),
        (None, "h"),
        (None, "1h1d"),  # the longest unit comes first
        (None, "1.5h"),  # only seconds have parts
        (None, "-5"),
        (None, " 5"),
    ],
)
def test_a_text_is_so_many_seconds(expected: float | None, text: str) -> None:
    assert seconds_of(text) == expected


@each_row(("expected", "text"), [(7_200.0, "2h"), (None, "2"), (None, "")])
def test_a_unit_may_be_needed(expected: float | None, text: str) -> None:
    assert seconds_with_unit(text) == expected
