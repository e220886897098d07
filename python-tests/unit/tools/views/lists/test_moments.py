"""Instants as people write them."""

from __future__ import annotations

from tables import each_row

from cloaca_core.values.times.instants import SECOND
from cloaca_tools.views.lists.moments import is_moment, read_moment

NOW = 1_700_000_000 * SECOND


@each_row(
    ("text", "expected"),
    [
        ("now", NOW),
        ("2h", NOW - 7_200 * SECOND),
        ("90s", NOW - 90 * SECOND),
        ("1d12h", NOW - 129_600 * SECOND),
        ("1W", NOW - 604_800 * SECOND),
        ("1w1d1h1m1s", NOW - 694_861 * SECOND),
        ("2023-11-14", 1_699_920_000 * SECOND),
        ("2023-11-14T23:13:20+01:00", NOW),
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20", None),
        ("2023-13-14", None),
        ("12h1d", None),
        ("h", None),
        ("", None),
        ("2", None),  # a number is no time ago
        ("1h30", None),
        ("-2h", None),
        ("yesterday", None),
    ],
)
def test_a_moment_is_read(text: str, expected: int | None) -> None:
    assert read_moment(text, NOW) == expected
    assert is_moment(text) is (expected is not None)
