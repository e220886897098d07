"""Which databases are backed up, and where."""

from __future__ import annotations

from pathlib import Path

import pytest

import cloaca
from cloaca_core.errors import TransferError
from cloaca_tools.transfer.backup import BackupReport, back_up


def test_the_report_names_the_file_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cloaca.DefaultRunner("sqlite://work.db").shutdown()

    report = back_up("sqlite://work.db", "backup.db")

    assert report == BackupReport(str(tmp_path / "backup.db"), Path("backup.db").stat().st_size)
    assert report.to_dict() == {"path": report.path, "size": report.size}


def test_a_backend_that_makes_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="pg_dump"):
        back_up("postgresql://nobody@127.0.0.1:1/none", tmp_path / "backup.db")
