"""A lock of an open file description stays when the program closes another one of the file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cloaca_sqlite.files.file_locks import count_descriptors, hold, no_one_opens, release
from cloaca_sqlite.files.open_files import FileId, file_id

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such locks")

NOTHING: FileId = (0, 0)
ELSEWHERE = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=0);"
    " c.execute('SELECT count(*) FROM t'); c.close()"
)

OPENING = (
    "import fcntl, sys; f = open(sys.argv[1], 'r+b');"
    " fcntl.lockf(f, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 0x40000000);"
    " print('opening', flush=True); sys.stdin.read()"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (x)")
        yield connection


def id_of(path: Path | str) -> FileId:
    found = file_id(str(path))
    assert found is not None
    return found


def open_and_close_elsewhere(path: Path) -> int:
    """In another process, which may take itself for the last one."""
    arguments = [sys.executable, "-c", ELSEWHERE, str(path)]
    return subprocess.run(arguments, stderr=subprocess.DEVNULL, check=False).returncode


def log_of(path: Path) -> Path:
    return Path(f"{path}-wal")


@pytest.mark.parametrize("held", [True, False])
def test_only_what_is_held_survives_that_the_program_reads_its_file(
    path: Path, connection: sqlite3.Connection, held: bool
) -> None:
    if held:
        assert hold(id_of(path), id_of(f"{path}-shm"))
    path.read_bytes()

    open_and_close_elsewhere(path)

    assert log_of(path).exists() is held


def test_an_index_that_is_held_is_not_begun_anew(
    path: Path, connection: sqlite3.Connection
) -> None:
    """A process that begins it anew cuts it to a few bytes, under the eyes of this one."""
    index = Path(f"{path}-shm")
    hold(id_of(path), id_of(index))
    index.read_bytes()
    connection.execute("BEGIN IMMEDIATE")  # without the lock it is not known that it writes
    os.truncate(index, 64 << 10)  # a mark that the next one is not the first

    open_and_close_elsewhere(path)

    assert index.stat().st_size == 64 << 10


def test_what_is_released_is_folded_by_the_last_one(
    path: Path, connection: sqlite3.Connection
) -> None:
    hold(id_of(path), id_of(f"{path}-shm"))
    release(id_of(path))

    connection.close()

    assert not log_of(path).exists()


def test_what_is_held_is_not_folded_by_the_last_one(
    path: Path, connection: sqlite3.Connection
) -> None:
    hold(id_of(path), id_of(f"{path}-shm"))

    connection.close()

    assert log_of(path).exists()


def test_a_lock_ends_with_the_connection(path: Path, connection: sqlite3.Connection) -> None:
    hold(id_of(path), id_of(f"{path}-shm"))
    connection.close()

    open_and_close_elsewhere(path)

    assert not log_of(path).exists()


def test_nobody_opens_a_file_that_is_barred(path: Path, connection: sqlite3.Connection) -> None:
    with no_one_opens(id_of(path)) as alone:
        assert alone
        assert open_and_close_elsewhere(path) != 0

    assert open_and_close_elsewhere(path) == 0


def test_while_another_process_opens_a_file_it_cannot_be_barred(
    path: Path, connection: sqlite3.Connection
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OPENING, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"opening\n"
        with no_one_opens(id_of(path)) as alone:
            assert not alone
        other.communicate()
    with no_one_opens(id_of(path)) as alone:
        assert alone


def test_descriptors_are_counted_by_file(path: Path, connection: sqlite3.Connection) -> None:
    assert count_descriptors(id_of(path)) == 1
    with path.open("rb"):
        assert count_descriptors(id_of(path)) == 2
    assert count_descriptors(NOTHING) == 0
