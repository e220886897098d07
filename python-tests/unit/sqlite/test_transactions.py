"""The connection of a body on SQLite: it commits nothing by itself, and ends when it must."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import cloaca
from cloaca_core.errors import RunnerUsageError
from cloaca_core.store.transactions import Recording
from cloaca_sqlite.transactions import SqliteTransaction, SqliteTransactions


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a table of the program."""
    path = tmp_path / "bodies.db"
    with closing(sqlite3.connect(path)) as mine:
        mine.execute("PRAGMA journal_mode = WAL")
        mine.execute("CREATE TABLE mine (number INTEGER PRIMARY KEY)")
    return path


@pytest.fixture
def transactions(path: Path) -> SqliteTransactions:
    uri = f"file:{path}?mode=rw"
    return SqliteTransactions(uri, str(path), "PRAGMA synchronous = FULL", busy_timeout=60)


@pytest.fixture
def transaction(transactions: SqliteTransactions) -> Iterator[SqliteTransaction]:
    begun = transactions.begin()
    yield begun
    begun.roll_back()


def committed(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as mine:
        return [number for (number,) in mine.execute("SELECT number FROM mine").fetchall()]


NOTHING = Recording((), lambda _: True)


def test_after_an_error_that_rolled_back_it_writes_nothing_more(
    path: Path, transaction: SqliteTransaction
) -> None:
    raw = transaction.connection
    raw.execute("INSERT INTO mine VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute("INSERT OR ROLLBACK INTO mine VALUES (1)")
    for statement in ("INSERT INTO mine VALUES (2)", "CREATE TABLE other (a)", "BEGIN"):
        with pytest.raises(RunnerUsageError, match="has ended its transaction"):
            raw.execute(statement)
    with pytest.raises(RunnerUsageError, match="has ended its transaction"):
        transaction.commit(NOTHING)
    assert committed(path) == []


def test_a_statement_for_many_rows_writes_none_after_it_was_given_up(
    path: Path, transaction: SqliteTransaction
) -> None:
    """Each of its rows would commit itself, as the transaction is over."""
    raw, rolled_back, reap = transaction.connection, threading.Event(), transaction._reap

    def reap_and_tell() -> None:
        reap()
        rolled_back.set()

    transaction._reap = reap_and_tell  # type: ignore[method-assign] # to hear of its end

    def rows() -> Iterator[tuple[int]]:
        yield (1,)
        transaction.end_now()
        assert rolled_back.wait(60)
        yield (2,)

    with pytest.raises(sqlite3.DatabaseError):
        raw.executemany("INSERT INTO mine VALUES (?)", rows())
    assert committed(path) == []


def test_a_statement_that_runs_is_interrupted(path: Path, transaction: SqliteTransaction) -> None:
    endless = (
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )
    timer = threading.Timer(0.05, transaction.end_now)
    timer.start()
    with pytest.raises(sqlite3.OperationalError, match="interrupted"):
        transaction.connection.execute(endless).fetchall()
    timer.join()
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as mine:
        mine.execute("INSERT INTO mine VALUES (3)")
    assert committed(path) == [3]


def test_others_write_between_two_bodies(
    path: Path, transactions: SqliteTransactions, transaction: SqliteTransaction
) -> None:
    """A body that waits for its turn does not begin before a writer that waits already."""
    waiting: list[SqliteTransaction] = []
    second = threading.Thread(target=lambda: waiting.append(transactions.begin()))
    second.start()
    transaction.connection.execute("INSERT INTO mine VALUES (1)")
    assert transaction.commit(NOTHING)
    second.join()
    (begun,) = waiting
    begun.connection.execute("INSERT INTO mine VALUES (2)")
    assert begun.commit(NOTHING)
    assert committed(path) == [1, 2]


def test_a_runner_in_memory_does_not_open_with_such_a_task() -> None:
    with cloaca.WorkflowBuilder("book"):
        cloaca.task(id="only", transactional=True)(_body)
    with pytest.raises(cloaca.DefinitionError, match=r"task 'only' of .*book.*in memory"):
        cloaca.DefaultRunner(":memory:")


def test_a_body_has_a_third_of_the_lease_at_most(path: Path) -> None:
    """Without any time limit of its own."""
    release = threading.Event()

    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        release.wait(60)

    with cloaca.WorkflowBuilder("book"):
        cloaca.task(id="only", transactional=True, retry_attempts=1)(body)
    config = cloaca.DefaultRunnerConfig(lease_seconds=0.9)
    with cloaca.DefaultRunner(f"sqlite://{path.parent}/work.db", config=config) as runner:
        result = runner.execute("book")
        release.set()
    assert result.task_results["only"].error_type == "TimeoutError"


def _body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    """Do nothing."""
