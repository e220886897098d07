"""Durations, counts and first lines are said in few words."""

from __future__ import annotations

from tables import each_row

from cloaca_core.values.wording import counted, duration, first_line


@each_row(
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


def test_the_first_line_of_a_text() -> None:
    assert first_line(" a\nb") == "a"
    assert first_line(None) == ""


def test_a_number_of_things() -> None:
    assert [counted(number, "run") for number in (1, 0, 1200)] == ["1 run", "0 runs", "1,200 runs"]
    assert counted(2, "worker has", "workers have") == "2 workers have"
