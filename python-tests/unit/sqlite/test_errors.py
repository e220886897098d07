"""SQLite's errors are told apart by their result codes; its words about values are left out."""

from __future__ import annotations

import sqlite3

import pytest
from tables import each_row

from cloaca_core.errors import (
    NotADatabaseError,
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from cloaca_sqlite.errors import DRIVER_ERRORS, code_of, is_busy, is_undecodable, translated


def sqlite_error(code: int, text: str = "its own words") -> sqlite3.Error:
    """As the sqlite3 module raises it."""
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = code
    return error


@each_row(
    ("code", "kind", "what"),
    [
        (sqlite3.SQLITE_BUSY, StoreUnavailableError, "the database is busy"),
        (sqlite3.SQLITE_LOCKED, StoreUnavailableError, "the database is busy"),
        (sqlite3.SQLITE_PROTOCOL, StoreUnavailableError, "the database is busy"),
        (sqlite3.SQLITE_CANTOPEN, StoreUnavailableError, "cannot be opened now"),
        (sqlite3.SQLITE_NOMEM, StoreUnavailableError, "no memory is left"),
        (sqlite3.SQLITE_INTERRUPT, StoreUnavailableError, "was interrupted"),
        (sqlite3.SQLITE_FULL, StoreFullError, "no space is left"),
        (sqlite3.SQLITE_READONLY, StoreReadOnlyError, "cannot be written"),
        (sqlite3.SQLITE_NOTADB, NotADatabaseError, "the file is not a database"),
        (sqlite3.SQLITE_IOERR, StoreError, "the disk failed"),
        (sqlite3.SQLITE_CORRUPT, StoreError, "the database is damaged"),
        (sqlite3.SQLITE_TOOBIG, StoreDataError, "a value is too large"),
        (sqlite3.SQLITE_MISMATCH, StoreDataError, "a value has the wrong type"),
        (sqlite3.SQLITE_CONSTRAINT, StoreDataError, "a value is not acceptable"),
        # Extended codes say the same in more detail.
        (sqlite3.SQLITE_BUSY_SNAPSHOT, StoreUnavailableError, "the database is busy"),
        (sqlite3.SQLITE_CORRUPT_INDEX, StoreError, "the database is damaged"),
        (sqlite3.SQLITE_IOERR_FSYNC, StoreError, "the disk failed"),
        (sqlite3.SQLITE_READONLY_DBMOVED, StoreReadOnlyError, "cannot be written"),
        (sqlite3.SQLITE_CONSTRAINT_NOTNULL, StoreDataError, "a value is not acceptable"),
    ],
)
def test_a_code_is_translated_with_the_words_of_sqlite(
    code: int, kind: type[StoreError], what: str
) -> None:
    found = translated(sqlite_error(code), "work.db")

    assert type(found) is kind
    assert str(found).startswith("work.db: ")
    assert what in str(found)
    assert "its own words" in str(found)


def test_an_error_that_is_none_of_these_is_a_store_error() -> None:
    found = translated(sqlite_error(sqlite3.SQLITE_ERROR, "no such table: x"), "work.db")

    assert (type(found), str(found)) == (StoreError, "work.db: no such table: x")


@each_row(
    "error",
    [
        OverflowError("Python int too large: 123456"),
        UnicodeEncodeError("utf-8", "123456\udc80", 6, 7, "surrogates not allowed"),
        sqlite3.InterfaceError("Error binding parameter 123456"),
        sqlite3.ProgrammingError("type '123456' is not supported"),
    ],
)
def test_a_value_that_the_driver_refuses_is_not_shown(error: Exception) -> None:
    found = translated(error, "work.db")

    assert isinstance(error, DRIVER_ERRORS)
    assert type(found) is StoreDataError
    assert str(found) == f"work.db: a value cannot be stored ({type(error).__name__})"


def undecodable() -> sqlite3.Error:
    """As this Python's sqlite3 raises it when it reads."""
    raw = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as caught:
        raw.execute("SELECT CAST(x'68756e74657232ff' AS TEXT) AS password").fetchall()
    raw.close()
    return caught.value


@each_row(
    "error",
    [undecodable(), UnicodeDecodeError("utf-8", b"hunter2\xff", 7, 8, "invalid start byte")],
)
def test_a_text_that_cannot_be_read_is_no_value_that_cannot_be_stored(error: Exception) -> None:
    found = translated(error, "work.db")

    assert is_undecodable(error)
    assert type(found) is StoreError
    assert str(found) == "work.db: the database is damaged: a text is not UTF-8"


@each_row(
    "error",
    [
        sqlite_error(sqlite3.SQLITE_ERROR, "Could not decode to UTF-8"),  # SQLite said so
        sqlite3.OperationalError("another refusal of the driver"),
        UnicodeEncodeError("utf-8", "\udc80", 0, 1, "surrogates not allowed"),
    ],
)
def test_no_other_error_says_that_a_text_cannot_be_read(error: Exception) -> None:
    assert not is_undecodable(error)


@each_row(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_BUSY, True),
        (sqlite3.SQLITE_BUSY_RECOVERY, True),
        (sqlite3.SQLITE_LOCKED_SHAREDCACHE, True),
        (sqlite3.SQLITE_FULL, False),
        (sqlite3.SQLITE_IOERR, False),
    ],
)
def test_waiting_helps_against_locks_only(code: int, expected: bool) -> None:
    assert is_busy(sqlite_error(code)) is expected


def test_what_is_not_of_sqlite_has_no_code() -> None:
    assert code_of(OverflowError()) is None
    assert not is_busy(OverflowError())


def test_a_real_refusal_carries_its_code() -> None:
    """As this Python's sqlite3 gives it; the tests above make theirs."""
    raw = sqlite3.connect(":memory:")
    raw.execute("CREATE TABLE t (n INTEGER NOT NULL) STRICT")
    with pytest.raises(sqlite3.Error) as caught:
        raw.execute("INSERT INTO t VALUES (NULL)")
    raw.close()

    assert code_of(caught.value) == sqlite3.SQLITE_CONSTRAINT
    assert type(translated(caught.value, "work.db")) is StoreDataError
