"""Fills databases that are to be copied: every table, with rows that only a copy reads."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cloaca_core.assembly.store import TransferStore
from cloaca_core.store.backends import backend_for
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.tables import TABLES, Table
from cloaca_tools.transfer.pages import pages


def row_of(table: Table, number: int) -> tuple[Any, ...]:
    """A row with a value of its own in each column, in which texts are not only ASCII."""
    values: list[Any] = [
        f"{name} {number:06} äß漢" if kind == "text" else number
        for name, kind in table.kinds.items()
    ]
    if table.name == "run":
        values[table.columns.index("owner")] = None
        values[table.columns.index("status")] = "Completed"
    return tuple(values)


async def fill(url: str, numbers: Iterable[int], tables: Iterable[Table] = TABLES) -> None:
    """Put rows into the tables of a database."""
    store = await backend_for(url).open(url, StoreOptions())
    try:
        assert isinstance(store, TransferStore)
        for table in tables:
            rows = [row_of(table, number) for number in numbers]
            for start in range(0, len(rows), 500):
                await store.transfer().put(table, rows[start : start + 500])
    finally:
        await store.close()


async def rows_of(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables of a database."""
    store = await backend_for(url).open(url, StoreOptions())
    try:
        assert isinstance(store, TransferStore)
        transfer = store.transfer()
        return {
            table.name: [row async for page in pages(transfer, table) for row in page]
            for table in TABLES
        }
    finally:
        await store.close()
