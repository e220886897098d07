"""A connection knows what became of its file and its log, and leaves both as others need them."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cloaca_core.errors import StoreError
from cloaca_sqlite.files import file_connection
from cloaca_sqlite.files.file_connection import (
    FileConnection,
    Folding,
    LogLostError,
    connect,
    connect_again,
)
from cloaca_sqlite.files.open_files import OPEN_FILES
from cloaca_sqlite.url import MEMORY

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such locks")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work.db"


@pytest.fixture
def raw(path: Path) -> Iterator[FileConnection]:
    with closing(opened(path)) as raw:
        raw.execute("CREATE TABLE t (x)")
        yield raw


def opened(path: Path, mode: str = "rwc") -> FileConnection:
    raw = connect(f"file:{path}?mode={mode}", str(path), read_only=mode == "ro")
    raw.execute("PRAGMA journal_mode = WAL")
    raw.settle()
    return raw


def log_files(path: Path) -> list[Path]:
    return [Path(f"{path}-wal"), Path(f"{path}-shm")]


def lose_log(path: Path) -> None:
    for file in log_files(path):
        file.unlink()


def begin_another_log(path: Path) -> None:
    for file in log_files(path):
        file.touch()


def tables(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as raw:
        return [name for (name,) in raw.execute("SELECT name FROM sqlite_master")]


def test_a_file_where_it_was_is_gone_on_with(raw: FileConnection) -> None:
    raw.check_place()
    raw.check_log()


def test_a_second_name_is_refused_until_it_is_gone(raw: FileConnection, path: Path) -> None:
    other = path.with_name("other.db")
    other.hardlink_to(path)
    with pytest.raises(StoreError, match=r"work\.db: the file has a second name"):
        raw.check_place()
    other.unlink()

    raw.check_place()


def fill(raw: FileConnection, pages: int) -> None:
    """Have at least so many pages in the file, and none in its log."""
    raw.executemany("INSERT INTO t VALUES (zeroblob(4096))", [()] * pages)
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@pytest.mark.parametrize("left", [0, 3])
def test_a_file_that_was_emptied_or_cut_short_is_gone(
    raw: FileConnection, path: Path, left: int
) -> None:
    fill(raw, 9)
    raw.check_place()
    os.truncate(path, left * 4096)

    for _ in range(2):
        with pytest.raises(StoreError, match="the file was emptied or cut short") as caught:
            raw.check_place()
        assert caught.value.is_gone


@pytest.mark.parametrize("log_has_all", [True, False])
def test_the_log_of_a_file_that_was_cut_off_goes_into_it_only_if_that_makes_it_whole(
    raw: FileConnection, path: Path, *, log_has_all: bool
) -> None:
    if not log_has_all:
        fill(raw, 9)
    raw.execute("CREATE TABLE last (x)")
    raw.execute("SELECT count(*) FROM t").fetchall()  # the cache has its pages
    raw.check_place()
    os.truncate(path, 0)

    raw.close()

    assert log_files(path)[0].exists() is not log_has_all
    if log_has_all:
        assert tables(path) == ["t", "last"]
    else:
        assert path.stat().st_size == 0


def test_a_file_that_gave_free_pages_back_is_gone_on_with(path: Path) -> None:
    """Also where it has grown again meanwhile, by pages that are in the log alone."""
    with closing(sqlite3.connect(path)) as maker:
        maker.execute("PRAGMA auto_vacuum = FULL")
        maker.execute("CREATE TABLE t (x)")
    with closing(opened(path)) as raw, closing(opened(path)) as other:
        for grows in (False, True):
            fill(other, 9)
            raw.check_place()
            before = path.stat().st_size
            other.execute("DELETE FROM t")
            fill(other, 1)
            if grows:
                other.executemany("INSERT INTO t VALUES (zeroblob(4096))", [()] * 20)
            assert path.stat().st_size < before
            raw.check_place()


@pytest.mark.parametrize("file", [0, 1])
def test_a_lost_log_is_noticed(raw: FileConnection, path: Path, file: int) -> None:
    log_files(path)[file].unlink()

    with pytest.raises(LogLostError):
        raw.check_log()


def test_before_work_a_log_that_was_just_seen_is_not_looked_at(
    raw: FileConnection, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_connection, "_MOMENT_S", 60.0)
    raw.check_log()
    lose_log(path)

    raw.check_log_before_work()

    monkeypatch.setattr(file_connection, "_MOMENT_S", -1.0)
    with pytest.raises(LogLostError):
        raw.check_log_before_work()


@pytest.mark.parametrize("uri", ["file::memory:", "file:{}?mode=rwc"])
def test_without_a_log_there_is_none_to_lose(tmp_path: Path, uri: str) -> None:
    """In memory, and where a file has a journal of another kind."""
    path = MEMORY if "memory" in uri else str(tmp_path / "work.db")
    with closing(connect(uri.format(path), path)) as raw:
        raw.settle()

        raw.check_log()
        assert raw.fold() is Folding.NEVER


@linux
def test_what_is_in_a_lost_log_is_folded_into_the_file(raw: FileConnection, path: Path) -> None:
    assert tables(path) == ["t"]
    lose_log(path)

    assert raw.fold() is Folding.DONE
    raw.abandon()

    assert tables(path) == ["t"]


@linux
def test_a_log_that_lost_its_index_is_folded_and_goes_with_it(
    raw: FileConnection, path: Path
) -> None:
    """Others that still use both must not append to a log that a new process begins with."""
    log, index = log_files(path)
    index.unlink()

    assert raw.fold() is Folding.DONE
    assert not log.exists()


@pytest.mark.parametrize(
    "meanwhile", [begin_another_log, lambda path: None], ids=["replaced", "not lost"]
)
def test_a_log_is_not_folded_over_what_others_may_have_written(
    raw: FileConnection, path: Path, meanwhile: Callable[[Path], None]
) -> None:
    if meanwhile is begin_another_log:
        lose_log(path)
    meanwhile(path)
    before = path.read_bytes()

    assert raw.fold() is Folding.NEVER

    assert path.read_bytes() == before
    assert all(file.exists() for file in log_files(path))


def test_a_reader_folds_nothing(raw: FileConnection, path: Path) -> None:
    with closing(opened(path, "ro")) as reader:
        lose_log(path)

        assert reader.fold() is Folding.NEVER


@linux
def test_an_older_snapshot_puts_folding_off(raw: FileConnection, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        raw.execute("INSERT INTO t VALUES (1)")
        lose_log(path)

        assert raw.fold() is Folding.LATER

    assert raw.fold() is Folding.DONE


@linux
def test_an_abandoned_one_that_is_the_last_leaves_the_file_alone(
    raw: FileConnection, path: Path
) -> None:
    before, log = path.read_bytes(), log_files(path)[0].read_bytes()

    raw.abandon()

    assert path.read_bytes() == before
    assert log_files(path)[0].read_bytes() == log


def test_without_such_locks_a_writer_that_goes_before_its_reader_leaves_it_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a newer Python can tell SQLite; but a reader that goes last may not write."""
    monkeypatch.setattr(file_connection, "hold", lambda *_: False)
    raw = opened(path)
    raw.execute("CREATE TABLE t (x)")
    before, log = path.read_bytes(), log_files(path)[0].read_bytes()
    reader = opened(path, "ro")

    raw.abandon()
    reader.abandon()

    assert path.read_bytes() == before
    assert log_files(path)[0].read_bytes() == log


def test_an_abandoned_one_is_not_used_any_more(raw: FileConnection) -> None:
    raw.abandon()
    raw.abandon()

    with pytest.raises(LogLostError):
        raw.check_place()
    assert raw.file is not None
    assert OPEN_FILES.count(raw.file) == 0


def test_the_last_one_that_closes_leaves_the_file_alone_in_its_folder(path: Path) -> None:
    first, second = opened(path), opened(path)

    first.close()
    assert log_files(path)[0].exists()
    second.close()

    assert list(path.parent.iterdir()) == [path]


def test_only_the_same_file_is_opened_again(raw: FileConnection, path: Path) -> None:
    raw.abandon()
    path.rename(path.with_name("away.db"))

    with pytest.raises(StoreError, match="moved or replaced"):
        connect_again(f"file:{path}?mode=rwc", str(path), raw)


def test_it_is_opened_again_as_it_was(raw: FileConnection, path: Path) -> None:
    with closing(opened(path, "ro")) as reader:
        reader.abandon()
        with closing(connect_again(f"file:{path}?mode=ro", str(path), reader)) as again:
            assert (again.read_only, again.is_open, again.file) == (True, True, reader.file)
