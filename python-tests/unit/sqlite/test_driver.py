"""One hop per transaction, all or nothing, patient with locks and quick to close."""

from __future__ import annotations

import asyncio
import inspect
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest
import pytest_asyncio
from tables import each_row

from cloaca_core.errors import (
    ContextValueError,
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Statement
from cloaca_core.values.payloads.json_values import decode
from cloaca_sqlite import driver
from cloaca_sqlite.driver import Connection, Courtesy, decoded, run_steps
from cloaca_sqlite.errors import is_busy

pytestmark = pytest.mark.asyncio

INSERT = Statement("insert", "INSERT INTO t (x) VALUES (?)", ("x",))
SELECT = Statement("select", "SELECT x FROM t ORDER BY x", ())


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "driver.db")


@pytest_asyncio.fixture
async def connection(path: str) -> AsyncIterator[Connection]:
    connection = await _open(path)
    await connection.call(_create)
    yield connection
    await connection.close()


async def _open(path: str, *, busy_timeout: float = 5.0) -> Connection:
    connection = Connection(f"file:{path}?mode=rwc", path=path, busy_timeout=busy_timeout)
    await connection.open()
    return connection


def _create(raw: sqlite3.Connection) -> None:
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("CREATE TABLE IF NOT EXISTS t (x INTEGER NOT NULL)")


async def _run(connection: Connection, *steps: Step) -> list[list[tuple[object, ...]]]:
    return await connection.transact(lambda raw: run_steps(raw, steps))


async def _pragma(connection: Connection, text: str) -> list[tuple[object, ...]]:
    return await connection.call(lambda raw: raw.execute(f"PRAGMA {text}").fetchall())


async def test_what_is_used_of_aiosqlite_is_still_there() -> None:
    """The driver touches these; a new aiosqlite that lacks one must fail here."""
    raw = aiosqlite.Connection(lambda: sqlite3.connect(":memory:"), 64)

    assert isinstance(raw._thread, threading.Thread)
    assert isinstance(inspect.getattr_static(aiosqlite.Connection, "_conn"), property)
    assert list(inspect.signature(raw._execute).parameters) == ["fn", "args", "kwargs"]
    assert inspect.iscoroutinefunction(aiosqlite.Connection._execute)
    assert aiosqlite.__version__.startswith("0.22.")


async def test_its_thread_cannot_keep_the_process_alive(connection: Connection) -> None:
    assert connection._thread.daemon


async def test_each_step_answers_its_rows(connection: Connection) -> None:
    answers = await _run(
        connection, Step(INSERT, rows=[(2,), (1,)]), Step(SELECT), Step(INSERT, (3,)), Step(SELECT)
    )

    assert answers == [[], [(1,), (2,)], [], [(1,), (2,), (3,)]]


@pytest.mark.parametrize("count", [15, 16, 17, 48, 50])
async def test_many_rows_are_written_in_their_order_by_few_executions(
    connection: Connection, count: int
) -> None:
    rows = [(n,) for n in range(count)]
    traced: list[str] = []
    await connection.call(lambda raw: raw.set_trace_callback(traced.append))

    await _run(connection, Step(INSERT, rows=rows))

    unsorted = Statement("unsorted", "SELECT x FROM t ORDER BY rowid", ())
    inserts = [text for text in traced if text.startswith("INSERT")]
    assert await _run(connection, Step(unsorted)) == [rows]
    assert len(inserts) == count // 16 + count % 16


async def test_a_statement_with_a_parameter_beside_its_values_takes_rows_one_by_one(
    connection: Connection,
) -> None:
    text = "INSERT INTO t (x) SELECT column1 FROM (VALUES (?)) WHERE column1 <> ?"
    chosen = Statement("chosen", text, ("x", "not"))

    await _run(connection, Step(chosen, rows=[(n, 3) for n in range(20)]))

    assert await _run(connection, Step(SELECT)) == [[(n,) for n in range(20) if n != 3]]


async def test_a_transaction_is_one_hop(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    hops = 0
    execute = aiosqlite.Connection._execute

    async def counting(self: Connection, *args: object) -> object:
        nonlocal hops
        hops += 1
        return await execute(self, *args)  # type: ignore[no-untyped-call] # aiosqlite's own

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counting)
    await _run(connection, Step(INSERT, rows=[(1,)]), Step(SELECT), Step(INSERT, (3,)))

    assert hops == 1


async def test_a_failing_step_undoes_the_steps_before_it(connection: Connection) -> None:
    with pytest.raises(StoreDataError, match="NOT NULL"):
        await _run(connection, Step(INSERT, (1,)), Step(INSERT, rows=[(2,), (None,)]))

    assert await _run(connection, Step(SELECT)) == [[]]


async def test_a_transaction_has_landed_when_it_is_committed(connection: Connection) -> None:
    told: list[tuple[int, bool, str]] = []

    def insert(raw: sqlite3.Connection) -> int:
        return raw.execute("INSERT INTO t (x) VALUES (7)").rowcount

    def landed(count: int) -> None:
        told.append((count, connection._conn.in_transaction, threading.current_thread().name))

    assert await connection.transact(insert, landed) == 1
    assert told == [(1, False, connection._thread.name)]


async def test_one_that_cannot_be_committed_has_not(connection: Connection) -> None:
    def prepare(raw: sqlite3.Connection) -> None:
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute("CREATE UNIQUE INDEX u ON t (x)")
        raw.execute("CREATE TABLE c (x REFERENCES t (x) DEFERRABLE INITIALLY DEFERRED)")

    await connection.call(prepare)
    told: list[object] = []
    orphan = "INSERT INTO c (x) VALUES (1)"

    with pytest.raises(StoreDataError, match="FOREIGN KEY"):  # which is looked at by COMMIT
        await connection.transact(lambda raw: raw.execute(orphan).fetchall(), told.append)

    assert told == []


async def test_a_full_disk_undoes_everything_and_work_goes_on_after_it(
    connection: Connection,
) -> None:
    """SQLite rolls back by itself here, so that a ROLLBACK of ours would fail."""
    ((pages,),) = await _pragma(connection, "page_count")
    await _pragma(connection, f"max_page_count = {pages}")
    with pytest.raises(StoreFullError, match=r"driver\.db: no space is left"):
        await _run(connection, Step(INSERT, rows=[(n,) for n in range(10_000)]))

    await _pragma(connection, "max_page_count = 10000")

    assert await _run(connection, Step(INSERT, (1,)), Step(SELECT)) == [[], [(1,)]]
    assert await _pragma(connection, "integrity_check") == [("ok",)]


def _move(path: str, to: str) -> None:
    Path(path).replace(to)


async def test_a_file_that_was_moved_away_takes_nothing_until_it_is_back(
    connection: Connection, path: str, tmp_path: Path
) -> None:
    away = str(tmp_path / "away.db")
    _move(path, away)
    for refused in (_run(connection, Step(INSERT, (1,))), _pragma(connection, "user_version")):
        with pytest.raises(StoreError, match="deleted, moved or replaced") as caught:
            await refused
        assert not isinstance(caught.value, StoreUnavailableError)  # it will not pass by itself
        assert caught.value.database == path
    _move(away, path)

    assert await _run(connection, Step(INSERT, (2,)), Step(SELECT)) == [[], [(2,)]]


async def test_another_file_in_its_place_is_not_taken_for_it(
    connection: Connection, path: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    other.touch()
    _move(str(other), path)

    with pytest.raises(StoreError, match="deleted, moved or replaced"):
        await _run(connection, Step(INSERT, (1,)))


async def test_a_link_may_point_elsewhere_meanwhile(tmp_path: Path) -> None:
    """As where each release has a folder: the file is where it was."""
    link, first, second = (tmp_path / name for name in ("current", "1", "2"))
    first.mkdir()
    second.mkdir()
    link.symlink_to(first)
    connection = await _open(str(link / "driver.db"))
    await connection.call(_create)
    link.unlink()
    link.symlink_to(second)

    assert await _run(connection, Step(INSERT, (1,)), Step(SELECT)) == [[], [(1,)]]
    await connection.close()


async def test_a_lock_of_another_connection_is_waited_for(
    connection: Connection, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, release, refused = threading.Event(), threading.Event(), _refused(monkeypatch)
    holder = threading.Thread(target=_hold_the_lock, args=(path, held, release))
    holder.start()
    await asyncio.to_thread(held.wait)
    writing = asyncio.create_task(_run(connection, Step(INSERT, (1,))))
    await asyncio.to_thread(refused.wait)
    assert not writing.done()

    release.set()

    assert await writing == [[]]
    await asyncio.to_thread(holder.join)


def _refused(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Is set when SQLite has refused a lock."""
    refused = threading.Event()

    def note(error: BaseException) -> bool:
        refused.set()
        return is_busy(error)

    monkeypatch.setattr(driver, "is_busy", note)
    return refused


def _hold_the_lock(path: str, held: threading.Event, release: threading.Event) -> None:
    raw = sqlite3.connect(path, isolation_level=None)
    raw.execute("BEGIN IMMEDIATE")
    held.set()
    release.wait()
    raw.execute("COMMIT")
    raw.close()


async def test_a_reader_in_the_way_of_a_commit_is_waited_for(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no write-ahead log."""
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("CREATE TABLE t (x INTEGER NOT NULL)")
    writer, refused = await _open(path), _refused(monkeypatch)
    reader.execute("BEGIN")
    reader.execute("SELECT x FROM t").fetchall()
    writing = asyncio.create_task(_run(writer, Step(INSERT, (1,))))
    await asyncio.to_thread(refused.wait)
    assert not writing.done()

    reader.execute("COMMIT")

    assert await writing == [[]]
    await writer.close()
    reader.close()


async def test_a_lock_that_is_not_released_in_time_is_unavailable(path: str) -> None:
    raw = sqlite3.connect(path, isolation_level=None)
    _create(raw)
    impatient = await _open(path, busy_timeout=0.0)
    raw.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailableError, match="busy") as refusal:
        await _run(impatient, Step(INSERT, (1,)))

    assert isinstance(refusal.value.__cause__, sqlite3.OperationalError)
    raw.execute("ROLLBACK")
    assert await _run(impatient, Step(INSERT, (1,))) == [[]]
    await impatient.close()
    raw.close()


async def test_closing_ends_a_wait_for_a_lock(path: str) -> None:
    raw = sqlite3.connect(path, isolation_level=None)
    _create(raw)
    patient = await _open(path, busy_timeout=3600.0)
    raw.execute("BEGIN IMMEDIATE")
    writing = asyncio.create_task(_run(patient, Step(INSERT, (1,))))
    await asyncio.sleep(0)

    await patient.close()

    with pytest.raises(StoreError):
        await writing
    raw.close()


async def test_a_closed_connection_says_so_and_closes_again(path: str) -> None:
    connection = await _open(path)
    await connection.close()
    await connection.close()

    with pytest.raises(StoreError, match="closed"):
        await _run(connection, Step(SELECT))


def _pauses(*, contended: bool, gap: float) -> list[float]:
    """The pauses of a writer that commits nine times with this gap between."""
    now, pauses = 0.0, list[float]()
    courtesy = Courtesy(clock=lambda: now, sleep=pauses.append)
    courtesy.contended = contended
    for _ in range(9):
        courtesy.before_begin()
        courtesy.after_commit()
        now += gap
    return pauses


@each_row(
    ("contended", "gap", "expected"),
    [
        (True, 0.0, [0.001, 0.001]),  # after each four commits
        (True, 0.002, []),  # the gaps are room enough
        (False, 0.0, []),  # no other connection waits
    ],
)
async def test_a_busy_writer_makes_room_when_others_wait(
    contended: bool, gap: float, expected: list[float]
) -> None:
    assert _pauses(contended=contended, gap=gap) == expected


@each_row(
    ("value", "kind"),
    [
        (2**63, StoreDataError),  # OverflowError in the driver
        ("\ud800", StoreDataError),  # UnicodeEncodeError in the driver
        ({"secret": "hunter2"}, StoreDataError),  # an unsupported type
    ],
)
async def test_a_value_that_cannot_be_stored_is_told_without_the_value(
    connection: Connection, value: object, kind: type[StoreError]
) -> None:
    with pytest.raises(kind) as refusal:
        await _run(connection, Step(INSERT, (value,)))

    assert "hunter2" not in str(refusal.value)
    assert "d800" not in str(refusal.value)


class TestDamagedTexts:
    """One damaged byte is in the first row."""

    READ = Statement("read", "SELECT text, number FROM texts ORDER BY rowid", ())
    COUNT = Statement("count", "UPDATE texts SET number = number + 1 RETURNING text, number", ())
    DAMAGED = '\N{REPLACEMENT CHARACTER}{"\N{REPLACEMENT CHARACTER}"}'

    @pytest_asyncio.fixture
    async def texts(self, connection: Connection) -> Connection:
        def create(raw: sqlite3.Connection) -> None:
            raw.execute("CREATE TABLE texts (text TEXT NOT NULL, number INTEGER NOT NULL) STRICT")
            raw.execute("INSERT INTO texts VALUES (CAST(x'7b22ff227d' AS TEXT), 0), ('é', 0)")

        await connection.call(create)
        return connection

    async def test_the_rows_beside_it_are_read(self, texts: Connection) -> None:
        rows = await texts.call(lambda raw: raw.execute(self.READ.sql).fetchall())

        assert rows == [(self.DAMAGED, 0), ("é", 0)]

    async def test_the_transaction_that_meets_it_happens_once(self, texts: Connection) -> None:
        answers = await _run(texts, Step(INSERT, (1,)), Step(self.COUNT), Step(SELECT))

        assert answers == [[], [(self.DAMAGED, 1), ("é", 1)], [(1,)]]
        assert await _run(texts, Step(self.READ)) == [[(self.DAMAGED, 1), ("é", 1)]]

    async def test_only_who_meets_it_decodes_in_python(self, texts: Connection) -> None:
        """It takes longer."""
        assert await texts.call(lambda raw: raw.text_factory) is str
        await _run(texts, Step(self.READ))
        assert await texts.call(lambda raw: raw.text_factory) is decoded

    @each_row("text", [b"\xff", b'{"\xed\xb3\xbf"}', b'"a\\\xee"', b"[1]\xc3"])
    async def test_what_is_damaged_can_be_stored_and_is_no_json(self, text: bytes) -> None:
        shown = decoded(text)

        assert shown.encode().decode() == shown
        with pytest.raises(ContextValueError):
            decode(shown)


async def test_debug_logging_says_nothing_of_a_transaction(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="aiosqlite")
    statement = Statement("secret", "SELECT ?", ("x",))

    assert await _run(connection, Step(statement, ("hunter2",))) == [[("hunter2",)]]

    assert caplog.text == ""
