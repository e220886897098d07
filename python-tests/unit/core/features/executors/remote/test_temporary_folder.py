"""A folder in the temporary directory stays as long as its process, and no longer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloaca_core.features.executors.remote.temporary_folder import TemporaryFolder, remove_leftovers

KILLED = """
import os, signal
from cloaca_core.features.executors.remote.temporary_folder import TemporaryFolder
folder = TemporaryFolder()
(folder.path / "a file").touch()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_is_for_this_user_alone_and_goes_with_what_it_holds(home: Path) -> None:
    folder = TemporaryFolder()
    (folder.path / "a file").touch()
    assert folder.path.parent == home
    assert folder.path.stat().st_mode & 0o077 == 0

    folder.close()
    folder.close()

    assert list(home.iterdir()) == []


def test_its_time_is_renewed() -> None:
    folder = TemporaryFolder()
    os.utime(folder.path, (0, 0))

    assert folder.keep()
    assert folder.path.stat().st_mtime > 0
    folder.close()
    assert not folder.keep()


def test_that_of_a_killed_process_goes_when_the_next_one_is_made(home: Path) -> None:
    program = [sys.executable, "-c", KILLED]
    subprocess.run(program, env={**os.environ, "TMPDIR": str(home)}, check=False)
    (left,) = home.iterdir()

    made = TemporaryFolder()

    assert not left.exists()
    assert made.path.exists()
    made.close()


def test_that_of_a_process_that_lives_stays(home: Path) -> None:
    folder = TemporaryFolder()

    remove_leftovers(home)

    assert folder.path.exists()
    folder.close()


@pytest.mark.parametrize("name", ["cloaca-1000", "another"])
def test_a_folder_of_others_stays(home: Path, name: str) -> None:
    other = home / name
    other.mkdir()
    (other / "a file").touch()

    remove_leftovers(home)

    assert (other / "a file").exists()
