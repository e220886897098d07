"""Which programs of PostgreSQL are taken of those on a machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from unit.dev.databases.program_folders import folder_of

from dev.databases import programs


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for installed versions, and a PATH without any."""
    monkeypatch.setattr(programs, "_VERSIONS", tmp_path)
    monkeypatch.setenv("PATH", "")
    return tmp_path


def test_the_newest_version_that_has_all_programs_is_taken(versions: Path) -> None:
    folder_of(versions, "9.6")
    newest = folder_of(versions, "15")
    folder_of(versions, "17", "postgres")  # its client package alone
    assert programs.installed() == newest


def test_the_programs_on_path_come_first(versions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(versions, "17")
    own = folder_of(versions / "own", "any")
    monkeypatch.setenv("PATH", str(own))
    assert programs.installed() == own


def test_a_machine_without_programs_has_none(versions: Path) -> None:
    assert programs.installed() is None
