"""Errors of the server and the driver become those of cloaca."""

from __future__ import annotations

import psycopg
from psycopg import errors
from tables import each_row

from cloaca_core.errors import (
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from cloaca_postgres.errors import is_conflict, is_made_already, translated


@each_row(
    ("error", "expected"),
    [
        (psycopg.OperationalError("gone"), StoreUnavailableError),  # no server said anything
        (errors.ConnectionFailure(), StoreUnavailableError),
        (errors.AdminShutdown(), StoreUnavailableError),
        (errors.CannotConnectNow(), StoreUnavailableError),
        (errors.QueryCanceled(), StoreUnavailableError),  # statement_timeout
        (errors.TooManyConnections(), StoreUnavailableError),
        (errors.SerializationFailure(), StoreUnavailableError),
        (errors.DeadlockDetected(), StoreUnavailableError),
        (errors.LockNotAvailable(), StoreUnavailableError),
        (errors.DiskFull(), StoreFullError),
        (errors.ReadOnlySqlTransaction(), StoreReadOnlyError),
        (errors.NumericValueOutOfRange(), StoreDataError),
        (errors.NotNullViolation(), StoreDataError),
        (errors.ProgramLimitExceeded(), StoreDataError),  # an index entry of 3 kB
        (errors.InsufficientPrivilege(), StoreError),
        (errors.UndefinedTable(), StoreError),
        (errors.IoError(), StoreError),  # no time heals a disk
        (errors.DataCorrupted(), StoreError),
        (errors.IndexCorrupted(), StoreError),
    ],
)
def test_an_error_becomes_the_kind_that_says_what_to_do(
    error: psycopg.Error, expected: type[StoreError]
) -> None:
    assert type(translated(error, "here")) is expected


def test_a_refused_value_is_not_repeated() -> None:
    error = errors.InvalidTextRepresentation('invalid input syntax: "hunter2"')

    assert str(translated(error, "here")) == "here: a value is not acceptable (SQLSTATE 22P02)"


def test_a_statement_that_another_session_prepared_points_at_the_pooler() -> None:
    told = str(translated(errors.InvalidSqlStatementName(), "here"))

    assert "pooler=true" in told


@each_row(
    ("error", "expected"),
    [
        (errors.DeadlockDetected(), True),
        (errors.SerializationFailure(), True),
        (errors.AdminShutdown(), False),
        (psycopg.OperationalError(), False),
    ],
)
def test_only_transactions_in_each_other_s_way_are_worth_another_try(
    error: psycopg.Error, expected: bool
) -> None:
    found = translated(error, "here")
    found.__cause__ = error

    assert is_conflict(found) is expected


@each_row(
    ("error", "expected"),
    [
        (errors.UniqueViolation(), True),  # in the catalogue: both began to create it
        (errors.DuplicateSchema(), True),
        (errors.DuplicateTable(), True),
        (errors.DuplicateObject(), True),  # the type of the table's rows
        (errors.UndefinedTable(), False),
    ],
)
def test_what_another_transaction_has_just_made(error: psycopg.Error, expected: bool) -> None:
    found = StoreError("refused")
    found.__cause__ = error

    assert is_made_already(found) is expected
