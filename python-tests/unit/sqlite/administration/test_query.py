"""A statement of a person's own reads a file, and does nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tables import each_row

import cloaca
from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.features.transfer.backends import Bounds, QueriedBackend, Rows
from cloaca_core.store.protocol import StoreOptions
from cloaca_sqlite import BACKEND

BOUNDS = Bounds(rows=3, seconds=30)
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "work.db"
    cloaca.Client(path).shutdown()
    return path


def asked(file: Path, sql: str, bounds: Bounds = BOUNDS) -> Rows:
    return asyncio.run(BACKEND.query(str(file), StoreOptions(), sql, bounds))


def test_the_backend_says_that_it_takes_statements() -> None:
    assert isinstance(BACKEND, QueriedBackend)


def test_rows_come_with_the_names_of_their_columns(file: Path) -> None:
    assert asked(file, "SELECT 1 AS one, 'x', NULL") == Rows(
        ["one", "'x'", "NULL"], [(1, "x", None)], more=False
    )
    assert asked(file, "SELECT id FROM cloaca_run;").rows == []
    assert asked(file, "PRAGMA table_info(cloaca_runner)").columns[1] == "name"


def test_more_rows_than_are_wanted_are_not_read(file: Path) -> None:
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"

    assert asked(file, many) == Rows(["i"], [(1,), (2,), (3,)], more=True)


def test_a_statement_that_takes_too_long_is_ended(file: Path) -> None:
    with pytest.raises(StoreUnavailableError, match=r"longer than 0\.05 s"):
        asked(file, ENDLESS, Bounds(3, 0.05))


@each_row(
    "statement",
    [
        "DELETE FROM cloaca_run",
        "CREATE TEMP TABLE mine (x)",
        "ATTACH 'other.db' AS other",
        "PRAGMA query_only = 0",
        "PRAGMA journal_mode = DELETE",
        "VACUUM INTO 'copy.db'",
        "BEGIN IMMEDIATE",
        "SELECT load_extension('x')",
        "SELECT 1; DELETE FROM cloaca_run",
        "SELEC 1",
        "",
    ],
)
def test_what_does_not_read_is_refused(
    file: Path, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    before = file.read_bytes()

    with pytest.raises(StoreError, match=r"^the statement was refused: "):
        asked(file, statement)

    assert file.read_bytes() == before
    assert {each.name for each in file.parent.iterdir()} <= {
        "work.db", "work.db-wal", "work.db-shm"
    }  # fmt: skip
