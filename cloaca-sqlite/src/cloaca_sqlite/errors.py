"""Translates errors of SQLite and its driver into cloaca's.

A message keeps SQLite's own words, which never have a value or a parameter in them.
"""

from __future__ import annotations

import sqlite3

from cloaca_core.errors import (
    NotADatabaseError,
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)

_BY_CODE: dict[int, tuple[type[StoreError], str]] = {
    sqlite3.SQLITE_BUSY: (StoreUnavailableError, "the database is busy"),
    sqlite3.SQLITE_LOCKED: (StoreUnavailableError, "the database is busy"),
    sqlite3.SQLITE_PROTOCOL: (StoreUnavailableError, "the database is busy"),
    sqlite3.SQLITE_CANTOPEN: (StoreUnavailableError, "the database cannot be opened now"),
    sqlite3.SQLITE_NOMEM: (StoreUnavailableError, "no memory is left"),
    sqlite3.SQLITE_INTERRUPT: (StoreUnavailableError, "the operation was interrupted"),
    sqlite3.SQLITE_FULL: (StoreFullError, "no space is left for the database"),
    sqlite3.SQLITE_READONLY: (StoreReadOnlyError, "the database cannot be written"),
    sqlite3.SQLITE_NOTADB: (NotADatabaseError, "the file is not a database"),
    sqlite3.SQLITE_IOERR: (StoreError, "the disk failed"),
    sqlite3.SQLITE_CORRUPT: (StoreError, "the database is damaged"),
    sqlite3.SQLITE_TOOBIG: (StoreDataError, "a value is too large"),
    sqlite3.SQLITE_MISMATCH: (StoreDataError, "a value has the wrong type"),
    sqlite3.SQLITE_CONSTRAINT: (StoreDataError, "a value is not acceptable"),
}

DRIVER_ERRORS = (sqlite3.Error, OverflowError, UnicodeError)
"""All errors that a statement may raise because of the database or a value."""


def code_of(error: BaseException) -> int | None:
    """SQLite's primary result code, if the error is SQLite's."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def is_busy(error: BaseException) -> bool:
    """True when trying again a moment later may succeed."""
    return code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_undecodable(error: BaseException) -> bool:
    """True when a text in the database is not UTF-8. The driver decodes, so SQLite has no code."""
    if isinstance(error, sqlite3.OperationalError):
        return code_of(error) is None and str(error).startswith("Could not decode to UTF-8")
    return isinstance(error, UnicodeDecodeError)


def translated(error: BaseException, path: str) -> StoreError:
    """Make the error to raise ``from`` this one."""
    code = code_of(error)
    if code in _BY_CODE:
        kind, what = _BY_CODE[code]
        return kind(f"{path}: {what} ({error})", database=path)
    if is_undecodable(error):
        return StoreError(f"{path}: the database is damaged: a text is not UTF-8", database=path)
    if code is None:
        # The driver refused a value before SQLite saw it; its text may show the value.
        message = f"{path}: a value cannot be stored ({type(error).__name__})"
        return StoreDataError(message, database=path)
    return StoreError(f"{path}: {error}", database=path)
