"""Answers are short enough to be read, and say what they leave out."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings, strategies as st
from tables import each_row

from cloaca_tools.mcp.bounds import AROUND, MOST, NOTES, ROW, bounded, page, size


def runs(*texts: str) -> list[dict[str, Any]]:
    """Rows of runs, numbered from 0, with these errors."""
    return [{"id": str(i), "error": text} for i, text in enumerate(texts)]


# -- bounded -------------------------------------------------------------------------------------


def test_a_short_answer_is_left_alone() -> None:
    form = {"run": {"id": "1", "tags": {"shop": "oslo"}, "tasks": [1, None, 2.5, True]}}

    assert bounded(form) is form


@each_row(
    ("form", "expected"),
    [
        # a text
        (
            {"run": {"id": "1", "error": "e" * 70_000}},
            {
                "run": {"id": "1", "error": f"{'e' * 4_000}…"},
                "cut": ["run.error: the first 4,000 of 70,000 characters"],
            },
        ),
        # a list
        (
            {"tasks": ["t" * 200] * 300},
            {"tasks": ["t" * 200] * 200, "cut": ["tasks: the first 200 of 300 items"]},
        ),
        # an object
        (
            {"input": {f"k{i}": "v" * 200 for i in range(300)}},
            {
                "input": {f"k{i}": "v" * 200 for i in range(200)},
                "cut": ["input: the first 200 of 300 keys"],
            },
        ),
        # a text within a list
        (
            {"tasks": [{"error": "e" * 70_000}]},
            {
                "tasks": [{"error": f"{'e' * 4_000}…"}],
                "cut": ["tasks[0].error: the first 4,000 of 70,000 characters"],
            },
        ),
        # the name of a key
        (
            {"input": {"k" * 70_000: 1}},
            {
                "input": {f"{'k' * 4_000}…": 1},
                "cut": ["input: a key: the first 4,000 of 70,000 characters"],
            },
        ),
    ],
    ids=["text", "list", "object", "below", "key"],
)
def test_what_is_long_is_cut(form: dict[str, Any], expected: dict[str, Any]) -> None:
    assert bounded(form) == expected


def test_what_is_deep_is_cut() -> None:
    deep: Any = "e" * 3_000
    for _ in range(30):
        deep = [deep]

    assert bounded({"input": deep, "id": "1"}, most=2_000)["id"] == "1"
    assert "the first 0 of 1 items" in bounded({"input": deep}, most=2_000)["cut"][0]


def test_an_answer_of_many_parts_is_cut_further() -> None:
    form = {"tasks": [{"id": "t" * 36, "error": "e" * 500} for _ in range(10_000)]}

    short = bounded(form)

    assert len(short["tasks"]) == 100
    assert short["tasks"][0]["id"] == "t" * 36
    assert short["cut"][0] == "tasks: the first 100 of 10,000 items"


def test_of_many_cuts_the_first_are_told() -> None:
    told = bounded({"tasks": ["e" * 5_000] * 14})["cut"]

    assert len(told) == NOTES + 1
    assert told[-1] == "and 4 more places"


LETTERS = st.text('aø"\n', max_size=300)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | LETTERS,
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(LETTERS, inner, max_size=30),
    max_leaves=100,
)


# How soon a value is made says how busy the machine is.
@settings(max_examples=25)
@given(value=VALUES)
def test_no_answer_is_longer_than_it_may_be(value: object) -> None:
    form = {"id": "1" * 36, "value": value}

    short = bounded(form, most=1_500)

    assert size(short) <= 1_500
    assert short["id"] == "1" * 36
    assert ("cut" in short) == (size(form) > 1_500)
    json.dumps(short)


# -- page ----------------------------------------------------------------------------------------


def listed(rows: list[dict[str, Any]], following: str | None, most: int = MOST) -> dict[str, Any]:
    return page("runs", rows, lambda row: row["id"], following, most)


def test_a_page_that_fits_goes_on_where_its_source_does() -> None:
    rows = runs("a", "b")

    assert listed(rows, "x") == {"runs": rows, "next": "x"}
    assert listed(rows, None) == {"runs": rows, "next": None}
    assert listed([], "x") == {"runs": [], "next": "x"}


def test_a_page_that_is_too_long_ends_earlier_and_goes_on_there() -> None:
    rows = runs(*["e" * 1_000] * 10)

    found = listed(rows, None, most=AROUND + 3_500)

    assert found == {"runs": rows[:3], "next": "2"}
    assert size(found) <= 3_500 + AROUND


def test_a_long_row_is_cut_and_keeps_its_id() -> None:
    (row,) = listed(runs("e" * 9_000), None)["runs"]

    assert row["id"] == "0"
    assert row["cut"] == ["error: the first 1,000 of 9,000 characters"]
    assert size(row) <= ROW


def test_each_page_has_a_row() -> None:
    """So that the next one is another."""
    rows = runs(*["e" * 90_000] * 3)

    assert [len(listed(rows, None, most=ROW + AROUND)["runs"])] == [3]
