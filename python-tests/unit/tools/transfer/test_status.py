"""Versions and counts of databases, as data."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cloaca_core.errors import ForeignDatabaseError, StoreOpenError
from cloaca_core.store.schema_state import PendingMigration
from cloaca_tools.transfer.status import (
    DatabaseStatus,
    UpgradeReport,
    database_status,
    upgrade_database,
)
from process.earlier import made_by, migrations


def test_the_statements_to_come_can_be_read_and_run() -> None:
    pending = (PendingMigration(8, "a", "CREATE TABLE a (x);\n"), PendingMigration(9, "b", "B;"))
    status = DatabaseStatus("sqlite", {}, 0, 7, 9, pending)

    assert status.sql == ("-- migration 8: a\nCREATE TABLE a (x);\n\n-- migration 9: b\nB;\n")
    assert status.to_dict()["pending"] == [{"number": 8, "name": "a"}, {"number": 9, "name": "b"}]


def test_a_file_that_is_not_there_is_made_by_an_upgrade_alone(tmp_path: Path) -> None:
    file = tmp_path / "work.db"
    with pytest.raises(StoreOpenError, match="does not exist"):
        database_status(file)
    assert not file.exists()

    made = upgrade_database(file)

    assert (made.before, made.schema) == (0, database_status(file).known)
    assert upgrade_database(file) == UpgradeReport(made.schema, made.schema)


def test_another_programs_file_is_not_upgraded(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as raw:
        raw.execute("CREATE TABLE theirs (x)")

    with pytest.raises(ForeignDatabaseError):
        upgrade_database(tmp_path / "theirs.db")


def test_what_was_applied_is_told(tmp_path: Path) -> None:
    file = tmp_path / "work.db"
    with closing(sqlite3.connect(file)) as raw:
        raw.executescript(made_by("sqlite", 21))

    status = database_status(file)

    to_come = [*range(22, len(migrations("sqlite")) + 1), *range(1, status.known + 1)]
    assert (status.schema, [each.number for each in status.pending]) == (21, to_come)
    assert status.runs == {}
