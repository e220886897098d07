"""Checksums of tables."""

from __future__ import annotations

from collections.abc import Iterable

from tables import each_row

from cloaca_tools.transfer.sums import TableSum

ROWS = [("a", 1, None), ("b", 2, "ü"), ("c", -(2**63), "")]


def sum_of(rows: Iterable[tuple[object, ...]]) -> TableSum:
    found = TableSum()
    found.add(rows)
    return found


def test_the_order_of_rows_does_not_count() -> None:
    assert sum_of([*ROWS]) == sum_of(ROWS[::-1])
    assert sum_of([*ROWS]).rows == 3


@each_row(
    "others",
    [
        ROWS[:2],
        [*ROWS, ROWS[0]],  # a row that is there twice
        [("a", 1, ""), *ROWS[1:]],  # an empty text is not NULL
        [("a", "1", None), *ROWS[1:]],  # a text is not a number
        [("a1", None, None), *ROWS[1:]],
    ],
)
def test_other_rows_have_another_checksum(others: list[tuple[object, ...]]) -> None:
    assert sum_of(others).checksum != sum_of([*ROWS]).checksum


def test_it_is_shown_with_a_fixed_length() -> None:
    assert TableSum().text == "0" * 32
    assert len(sum_of([*ROWS]).text) == 32
