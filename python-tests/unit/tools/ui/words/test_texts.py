"""Durations, sizes, counts and errors as the page writes them."""

from __future__ import annotations

from tables import each_row

from cloaca_core.values.option_names import TaskStatus
from cloaca_tools.ui.words.texts import (
    FILTERS,
    brief,
    first_error,
    graph_note,
    parted,
    sentence,
    short_id,
    size,
    term,
    up_to_99,
    words_of,
)
from cloaca_tools.views import GraphNode
from cloaca_tools.views.lists.filters import parse


def test_ids_of_one_millisecond_differ_when_they_are_short() -> None:
    assert short_id("01a21c2b-d36d-7000-8000-0000000c9fda") == "01a21c2b…9fda"
    assert short_id("01a21c2b-d36d-7000-8000-0000000c9fdb") == "01a21c2b…9fdb"
    assert short_id("an odd one") == "an odd one"


@each_row(
    ("seconds", "expected"),
    [(None, ""), (0.25, "250 ms"), (41, "41 s"), (64, "1 m 04"), (5_400, "1 h 30")],
)
def test_a_narrow_column_leaves_out_the_last_unit(seconds: float | None, expected: str) -> None:
    assert brief(seconds) == expected


@each_row(
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
def test_the_first_error_stands_without_counts(text: str | None, expected: str) -> None:
    assert first_error(text) == expected


@each_row(
    ("number", "expected"),
    [
        (None, ""),
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (1_750_000, "1.8 MB"),
        (503_808, "504 kB"),
        (1_234_567_890, "1.2 GB"),
        (2_500_000_000_000, "2.5 TB"),
    ],
)
def test_a_size_has_a_unit(number: int | None, expected: str) -> None:
    assert size(number) == expected


@each_row("value", ["order", "a::b::order", "a b", 'x"y,z', "-x", ""])
def test_a_value_stands_in_a_filter_as_it_is(value: str) -> None:
    assert parse(f"workflow:{term(value)}").terms[0].values == (value,)


def test_a_number_that_was_counted_so_far() -> None:
    assert [up_to_99(number) for number in (0, 99, 100)] == ["0", "99", "99+"]


def test_a_name_of_a_program_as_words() -> None:
    assert [words_of(name) for name in ("send_it", "_", "")] == ["Send it", "_", ""]


@each_row(
    ("status", "attempts", "seconds", "expected"),
    [
        ("Completed", 1, 1.5, "1.5 s"),
        ("Failed", 3, 0.25, "3 attempts · 250 ms"),
        ("Completed", 3, 0.25, "250 ms · 3 attempts"),
        ("Waiting", 2, None, "2 attempts"),
        ("NotStarted", 0, None, "not begun"),
        ("Skipped", 1, 0.0, "skipped"),
    ],
)
def test_a_task_in_a_graph_says_what_it_took(
    status: TaskStatus, attempts: int, seconds: float | None, expected: str
) -> None:
    assert graph_note(GraphNode("a", "task", status, attempts, seconds, None, 0)) == expected


@each_row(
    ("text", "expected"),
    [
        ("waits for a run", "Waits for a run."),
        ("check_rows failed", "check_rows failed."),
        ("send2 failed", "send2 failed."),
        ("so it is!", "So it is!"),
        ("", ""),
    ],
)
def test_a_sentence_leaves_names_of_programs_as_they_are(text: str, expected: str) -> None:
    assert sentence(text) == expected


def test_an_error_in_one_line_has_no_codes_of_a_terminal() -> None:
    text = "talk: ValueError: \x1b[31mred\x1b[0m words\x07\nsecond line"

    assert first_error(text) == "talk: ValueError: red words"
    assert FILTERS["first_line"](text) == "talk: ValueError: red words"


@each_row(
    ("text", "word", "parts"),
    [
        ("row 39 of ROW 40", "row", ["", "row", " 39 of ", "ROW", " 40"]),
        ("a.b", ".", ["a", ".", "b"]),
        ("a", "z", ["a"]),
        ("a", "", ["a"]),
    ],
)
def test_a_text_is_parted_by_what_is_looked_for(text: str, word: str, parts: list[str]) -> None:
    assert parted(text, word) == parts
