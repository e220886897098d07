"""The log and its index are known by what they are, not by their names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cloaca_sqlite.files.log_files import LogFiles


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "work.db-wal"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "work.db-shm"


@pytest.fixture
def files(tmp_path: Path, log: Path, index: Path) -> LogFiles:
    log.touch()
    index.touch()
    return LogFiles.beside(str(tmp_path / "work.db"))


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.touch()
    other.replace(path)


def leave(path: Path) -> None:
    assert path.exists()


@pytest.mark.parametrize(
    ("to_log", "to_index", "lost", "replaced", "parted"),
    [
        (leave, leave, False, False, False),
        (delete, delete, True, False, False),
        (delete, leave, True, False, True),  # others would read the index of a log that is gone
        (leave, delete, True, False, False),  # from the log an index can be made
        (replace, leave, True, True, True),
        (leave, replace, True, True, False),
        (replace, delete, True, True, False),
        (delete, replace, True, True, False),
    ],
)
def test_what_became_of_them(
    files: LogFiles,
    log: Path,
    index: Path,
    to_log: Callable[[Path], None],
    to_index: Callable[[Path], None],
    lost: bool,
    replaced: bool,
    parted: bool,
) -> None:
    to_log(log)
    to_index(index)

    found = (files.are_lost(), files.are_replaced(), files.are_parted())

    assert found == (lost, replaced, parted)


def test_what_was_never_there_is_lost(tmp_path: Path) -> None:
    assert LogFiles.beside(str(tmp_path / "work.db")).are_lost()


def test_only_what_is_still_there_is_removed(files: LogFiles, log: Path, index: Path) -> None:
    replace(log)

    files.remove()

    assert (log.exists(), index.exists()) == (True, False)


def test_a_lost_file_is_used_while_it_is_open_here(files: LogFiles, log: Path) -> None:
    with log.open("rb"):
        assert not files.are_used_here()  # it is not lost
        delete(log)
        assert files.are_used_here()
        assert files.descriptors_here() == 1
    assert not files.are_used_here()


def test_a_new_file_that_got_the_number_of_a_lost_one_is_not_taken_for_it(
    files: LogFiles, log: Path, index: Path
) -> None:
    """As ext4 gives the number away at once when no process has the lost file open."""
    delete(log)
    index.replace(log)  # the index's number, at the place of the log

    with log.open("rb"):
        assert not files.are_used_here()
