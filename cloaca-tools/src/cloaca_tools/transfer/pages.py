"""Reads a table page by page, with pages that are neither many nor large."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.store.tables import Key, Table

if TYPE_CHECKING:
    from cloaca_core.features.transfer.part import Transfer

FIRST: Final = 100
"""Rows of the first page."""
MOST: Final = 500
SMALL: Final = 2**18
"""Characters: a page with fewer is followed by a longer one."""
LARGE: Final = 2**22
"""A page with more is followed by a shorter one."""


async def pages(
    transfer: Transfer, table: Table, after: Key | None = None
) -> AsyncIterator[list[tuple[Any, ...]]]:
    """The rows after a key, None for all."""
    limit, key = FIRST, table.beginning if after is None else after
    while page := await transfer.page(table, key, limit):
        yield page
        key, limit = table.key_of(page[-1]), next_limit(limit, weight_of(page))


def weight_of(rows: Sequence[tuple[Any, ...]]) -> int:
    """About how many characters rows have."""
    return sum(len(value) for row in rows for value in row if isinstance(value, str))


def next_limit(limit: int, weight: int) -> int:
    """The rows of the next page, after one of ``limit`` rows at most."""
    if weight > LARGE:
        return max(1, limit // 4)
    return min(MOST, limit * 2) if weight < SMALL else limit
