"""Backups of a file that is in use, and of one that is damaged."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import cloaca
from cloaca_core.errors import TransferError
from cloaca_core.features.transfer.backends import BackupBackend
from cloaca_sqlite import BACKEND
from cloaca_sqlite.administration import backup as module


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "work.db"
    cloaca.DefaultRunner(path).shutdown()
    return path


def back_up(file: Path, target: Path) -> None:
    asyncio.run(BACKEND.back_up(str(file), str(target)))


def test_the_backend_says_that_it_makes_backups() -> None:
    assert isinstance(BACKEND, BackupBackend)


def test_work_that_is_only_in_the_log_is_in_the_backup(file: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("INSERT INTO cloaca_workflow VALUES ('w', 'v', 'w', 'w', NULL, 'q')")
        assert file.with_name("work.db-wal").stat().st_size > 0

        back_up(file, tmp_path / "backup.db")

    with closing(sqlite3.connect(tmp_path / "backup.db")) as copy:
        assert copy.execute("SELECT workflow FROM cloaca_workflow").fetchall() == [("w",)]
    assert not list(tmp_path.glob("*.part*"))


def test_a_writer_does_not_wait_and_what_it_has_not_committed_is_left_out(
    file: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        raw.execute("INSERT INTO cloaca_workflow VALUES ('w', 'v', 'w', 'w', NULL, 'q')")

        back_up(file, tmp_path / "backup.db")

        raw.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / "backup.db")) as copy:
        assert copy.execute("SELECT count(*) FROM cloaca_workflow").fetchone() == (0,)


def _no_links(*_: object) -> None:
    raise PermissionError


@pytest.mark.parametrize("has_links", [True, False])
def test_no_file_is_replaced(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    if not has_links:  # as on some file systems
        monkeypatch.setattr(Path, "hardlink_to", _no_links)
    target = tmp_path / "backup.db"
    target.write_text("mine", encoding="utf-8")

    with pytest.raises(TransferError, match="is there already"):
        back_up(file, target)

    assert target.read_text(encoding="utf-8") == "mine"


def test_a_folder_that_is_not_there_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match=r"backup\.db.* failed: unable to open"):
        back_up(file, tmp_path / "none" / "backup.db")


def test_of_two_backups_to_one_name_the_first_that_ends_has_it(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, copied = tmp_path / "backup.db", module._copy

    def copied_twice(raw: sqlite3.Connection, part: Path) -> None:
        monkeypatch.setattr(module, "_copy", copied)
        copied(raw, part)
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("INSERT INTO cloaca_workflow VALUES ('w', 'v', 'w', 'w', NULL, 'q')")
        asyncio.run(BACKEND.back_up(str(file), str(target)))

    monkeypatch.setattr(module, "_copy", copied_twice)

    with pytest.raises(TransferError, match="is there already"):
        back_up(file, target)

    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT workflow FROM cloaca_workflow").fetchall() == [("w",)]
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]


def test_a_backup_of_a_damaged_file_is_refused(file: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (root,) = raw.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'cloaca_run'"
        ).fetchone()
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as opened:
        opened.seek((root - 1) * size)
        opened.write(b"\xff" * 64)

    with pytest.raises(TransferError, match=r"the database is damaged|malformed"):
        back_up(file, tmp_path / "backup.db")

    assert not list(tmp_path.glob("backup*"))
