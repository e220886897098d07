"""Executes a statement of a person's own on a connection that only reads. See ``QueriedBackend``.

The file is opened to be read. Beside that an authorizer lets a statement do nothing but read this
file: it attaches no other one, and changes no setting.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.features.transfer.backends import Bounds, Rows
from cloaca_sqlite.driver import Connection

_READS: Final = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
)
_PRAGMAS: Final = frozenset(("table_info", "table_list", "index_list", "index_info"))
_STEPS: Final = 10_000
"""Steps of SQLite's machine between two looks at the clock."""


async def query(connection: Connection, sql: str, bounds: Bounds) -> Rows:
    """The rows of a statement; closes the connection."""
    try:
        return await connection.call(lambda raw: _rows(raw, sql, bounds))
    finally:
        await connection.close()


def _rows(raw: sqlite3.Connection, sql: str, bounds: Bounds) -> Rows:
    end = time.monotonic() + bounds.seconds
    raw.set_authorizer(_judge)
    raw.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        cursor = raw.execute(sql)
        rows = cursor.fetchmany(bounds.rows + 1)
    except sqlite3.Error as error:
        if time.monotonic() > end:
            text = f"the statement took longer than {bounds.seconds:g} s, and was ended"
            raise StoreUnavailableError(text) from error
        raise StoreError(f"the statement was refused: {error}") from error
    if cursor.description is None:
        raise StoreError("the statement was refused: it answers no rows")
    columns = [name for name, *_ in cursor.description]
    return Rows(columns, rows[: bounds.rows], len(rows) > bounds.rows)


def _judge(action: int, first: str | None, second: str | None, *_: object) -> int:
    if action in _READS and second != "load_extension":
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
