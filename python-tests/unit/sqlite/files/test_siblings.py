"""When the log of a file is lost, a store's connections begin anew together, and lose nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Statement
from cloaca_sqlite import driver
from cloaca_sqlite.driver import Connection, run_steps
from cloaca_sqlite.files import file_connection
from cloaca_sqlite.files.file_connection import FileConnection, Folding
from cloaca_sqlite.files.siblings import Siblings

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere less can be saved"),
]

INSERT = Statement("insert", "INSERT INTO t (x) VALUES (?)", ("x",))
SELECT = Statement("select", "SELECT x FROM t ORDER BY x", ())


class Pair:
    """A writer and a reader of one file, as a store has them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = self._connection("rwc")
        self.reader = self._connection("ro")
        self.landed: list[object] = []

    def _connection(self, mode: str) -> Connection:
        uri, path = f"file:{self.path}?mode={mode}", str(self.path)
        return Connection(uri, path=path, busy_timeout=60.0, read_only=mode == "ro")

    async def open(self) -> None:
        await self.writer.open()
        await self.writer.settle(_configure)
        await self.reader.open()
        await self.reader.settle()
        self.writer.siblings = self.reader.siblings = Siblings([self.writer, self.reader])

    async def close(self) -> None:
        await self.reader.close()
        await self.writer.close()

    async def write(self, value: int, before: Callable[[], None] = lambda: None) -> None:
        """Insert a value; ``before`` is called in the transaction."""

        def work(raw: sqlite3.Connection) -> list[object]:
            before()
            return run_steps(raw, [Step(INSERT, (value,))])  # type: ignore[return-value]

        await self.writer.transact(work, self.landed.append)

    async def read(self) -> list[int]:
        rows = await self.reader.call(lambda raw: raw.execute(SELECT.sql).fetchall())
        return [value for (value,) in rows]

    def log_files(self) -> list[Path]:
        return [Path(f"{self.path}-wal"), Path(f"{self.path}-shm")]

    def lose_log(self) -> None:
        for file in self.log_files():
            file.unlink()

    def begin_another_log(self) -> None:
        """As a process does that opens the file now, without one of its own that lives on."""
        for file in self.log_files():
            file.touch()


def _configure(raw: sqlite3.Connection) -> None:
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("CREATE TABLE IF NOT EXISTS t (x INTEGER NOT NULL)")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "work.db"


@pytest.fixture(autouse=True)
def _looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast the test is."""
    monkeypatch.setattr(file_connection, "_MOMENT_S", -1.0)


@pytest_asyncio.fixture
async def pair(path: Path) -> AsyncIterator[Pair]:
    pair = Pair(path)
    await pair.open()
    yield pair
    await pair.close()


def found(path: Path) -> list[int]:
    """The rows that another process reads; the file must be intact."""
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [value for (value,) in raw.execute(SELECT.sql)]


def move(path: Path, to: Path) -> None:
    path.rename(to)


def content(path: Path) -> bytes:
    return path.read_bytes()


class Once:
    """Does something at the first call only."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == 1:
            self._function()


async def test_what_was_committed_before_and_after_the_loss_is_there(pair: Pair) -> None:
    await pair.write(1)
    pair.lose_log()
    await pair.write(2)

    assert await pair.read() == [1, 2]
    await pair.close()
    assert found(pair.path) == [1, 2]


async def test_a_reader_that_meets_it_first_begins_anew_with_the_writer(pair: Pair) -> None:
    await pair.write(1)
    before = pair.writer.raw
    pair.lose_log()

    assert await pair.read() == [1]
    assert pair.writer.raw is not before


async def test_a_commit_to_a_log_that_was_lost_meanwhile_counts_once_it_is_in_the_file(
    pair: Pair,
) -> None:
    lose = Once(pair.lose_log)

    await pair.write(1, before=lose)

    assert lose.calls == 1
    assert pair.landed == [[[]]]
    assert await pair.read() == [1]


async def test_a_commit_that_others_have_gone_on_without_is_made_again(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    def replace() -> None:
        pair.lose_log()
        pair.begin_another_log()

    lose = Once(replace)

    await pair.write(1, before=lose)

    assert lose.calls == 2
    assert pair.landed == [[[]]]
    assert await pair.read() == [1]
    assert "may be lost" in caplog.text
    await pair.close()
    assert found(pair.path) == [1]


async def test_so_is_one_where_no_lock_can_be_held(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may have opened, changed and closed the file: nothing is written over that."""
    monkeypatch.setattr(file_connection, "hold", lambda *_: False)
    pair = Pair(path)
    await pair.open()
    lose = Once(pair.lose_log)
    before = content(path)

    await pair.write(1, before=lose)

    assert lose.calls == 2
    assert content(path) == before
    assert await pair.read() == [1]
    await pair.close()
    assert found(path) == [1]


async def test_a_commit_costs_a_look_at_each_of_three_files(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other: each takes a millionth of a second of every commit."""
    monkeypatch.setattr(file_connection, "_MOMENT_S", 60.0)
    await pair.write(0)
    looks: list[str] = []
    stat = os.stat

    def counted(path: str) -> os.stat_result:
        looks.append(path)
        return stat(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", counted)
        await pair.write(1)

    assert looks == [str(pair.path), *map(str, pair.log_files())]


async def test_work_of_others_is_left_alone_when_it_closes(pair: Pair) -> None:
    await pair.write(1)
    pair.lose_log()
    pair.begin_another_log()
    before = content(pair.path)

    await pair.close()

    assert content(pair.path) == before
    assert all(file.exists() for file in pair.log_files())


async def test_a_lost_log_is_saved_when_it_closes(pair: Pair) -> None:
    await pair.write(1)
    pair.lose_log()

    await pair.close()

    assert found(pair.path) == [1]


async def test_it_tells_once_what_was_saved(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    pair.lose_log()

    await pair.write(1)
    await pair.write(2)

    (record,) = caplog.records
    assert (record.name, record.levelno) == ("cloaca.sqlite", logging.WARNING)
    assert "Nothing is lost" in record.getMessage()


async def test_two_stores_of_one_process_go_on_when_both_have_noticed(
    pair: Pair, path: Path
) -> None:
    """They share one index, which neither gets rid of alone."""
    other = Pair(path)
    await other.open()
    await other.write(1)
    pair.lose_log()
    with pytest.raises(StoreUnavailableError, match="another runner of this program"):
        await pair.write(2)

    await other.write(3)
    await pair.write(2)

    assert await pair.read() == await other.read() == [1, 2, 3]
    await other.close()
    await pair.close()
    assert found(path) == [1, 2, 3]


async def test_a_connection_of_the_programs_own_is_to_be_closed_first(
    pair: Pair, path: Path
) -> None:
    mine = sqlite3.connect(path, isolation_level=None)
    mine.execute(INSERT.sql, (1,))
    pair.lose_log()
    mine.execute(INSERT.sql, (2,))
    with pytest.raises(StoreError, match="close your own connections") as refusal:
        await pair.write(3)
    assert not isinstance(refusal.value, StoreUnavailableError)  # it will not pass by itself
    mine.execute(INSERT.sql, (4,))
    mine.close()

    await pair.write(5)

    assert await pair.read() == [1, 2, 4, 5]
    await pair.close()
    assert found(path) == [1, 2, 4, 5]


async def test_an_index_without_its_log_is_not_gone_on_with(pair: Pair) -> None:
    """Another process has begun a log, and reads it by the index of the old one."""
    log, _ = pair.log_files()
    await pair.write(1)
    log.unlink()
    log.touch()

    for _ in range(2):
        with pytest.raises(StoreError, match="stop every program"):
            await pair.write(2)


async def test_a_log_is_kept_while_it_cannot_be_saved(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To close it would be to lose it; the disk may have room later."""
    await pair.write(1)
    pair.lose_log()
    with monkeypatch.context() as patch:
        patch.setattr(FileConnection, "_checkpoint", lambda _: False)
        patch.setattr(pair.writer, "_busy_timeout", 0.0)
        with pytest.raises(StoreUnavailableError, match="cannot be written to the file now"):
            await pair.write(2)

    await pair.write(3)

    assert await pair.read() == [1, 3]


async def test_a_snapshot_that_another_reads_is_waited_for(
    pair: Pair, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps the newest commits out of the file for a moment."""
    await pair.write(1)
    reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    reader.execute("BEGIN")
    reader.execute(SELECT.sql).fetchall()
    await pair.write(2)
    became: list[Folding] = []

    def noted(raw: FileConnection) -> Folding:
        if became:
            reader.close()
        became.append(fold(raw))
        return became[-1]

    fold = FileConnection.fold
    monkeypatch.setattr(FileConnection, "fold", noted)
    pair.lose_log()
    await pair.write(3)

    assert became == [Folding.LATER, Folding.DONE]
    assert await pair.read() == [1, 2, 3]


async def test_a_file_that_was_moved_meanwhile_is_refused_as_such(pair: Pair, path: Path) -> None:
    pair.lose_log()
    away = path.with_name("away.db")
    move(path, away)
    with pytest.raises(StoreError, match="moved or replaced"):
        await pair.write(1)
    move(away, path)

    await pair.write(2)

    assert await pair.read() == [2]


async def test_one_operation_does_not_begin_anew_for_ever(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "_RENEWALS", 2)

    with pytest.raises(StoreUnavailableError, match="again and again"):
        await pair.write(1, before=lambda: _replace(pair))


def _replace(pair: Pair) -> None:
    for file in pair.log_files():
        other = file.with_name("other")
        other.touch()
        other.replace(file)


async def test_what_comes_together_begins_anew_together(pair: Pair) -> None:
    await pair.write(0)
    pair.lose_log()

    reads = [pair.read() for _ in range(5)]
    writes = [pair.write(number) for number in range(1, 6)]
    await asyncio.gather(*reads, *writes)

    assert await pair.read() == [0, 1, 2, 3, 4, 5]
