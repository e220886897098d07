"""Pages of a table: none is large, and there are not too many."""

from __future__ import annotations

from typing import Any, cast

from tables import each_row

from cloaca_core.features.transfer.part import Transfer
from cloaca_core.store.tables import BY_NAME, Key, Table
from cloaca_tools.transfer.pages import FIRST, LARGE, MOST, SMALL, next_limit, pages, weight_of

TAG = BY_NAME["run_tag"]


class Rows:
    """A table of tags in memory."""

    def __init__(self, number: int, content: str = "") -> None:
        self.rows = [(f"{n:06}", "tag", content) for n in range(number)]
        self.asked: list[int] = []

    async def page(self, table: Table, after: Key, limit: int) -> list[tuple[Any, ...]]:
        self.asked.append(limit)
        return [row for row in self.rows if table.key_of(row) > after][:limit]


async def all_of(rows: Rows, after: Key | None = None) -> list[tuple[Any, ...]]:
    found = [page async for page in pages(cast("Transfer", rows), TAG, after)]
    return [row for page in found for row in page]


async def test_all_rows_come_once_in_the_order_of_their_keys() -> None:
    rows = Rows(1234)

    assert await all_of(rows) == rows.rows
    assert rows.asked == [FIRST, 200, 400, MOST, MOST, MOST]


async def test_those_up_to_a_key_are_left_out() -> None:
    rows = Rows(10)

    assert await all_of(rows, ("000007", "tag")) == rows.rows[8:]


async def test_large_rows_make_short_pages() -> None:
    rows = Rows(200, "x" * (LARGE // 50))

    assert await all_of(rows) == rows.rows
    assert rows.asked[:4] == [100, 25, 25, 25]


@each_row(
    ("limit", "weight", "expected"),
    [
        (100, SMALL - 1, 200),
        (400, 0, MOST),
        (100, SMALL, 100),
        (100, LARGE, 100),
        (100, LARGE + 1, 25),
        (2, LARGE + 1, 1),  # one row at least
    ],
)
def test_a_page_follows_the_weight_of_the_one_before(
    limit: int, weight: int, expected: int
) -> None:
    assert next_limit(limit, weight) == expected


def test_only_texts_have_weight() -> None:
    assert weight_of([("abc", 5, None), ("de", 6, "f")]) == 6
