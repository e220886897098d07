"""Opening a file: ours, new, another program's, broken, out of reach."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tables import each_row

from cloaca_core.assembly.sql_store import SqlStore
from cloaca_core.client.default_runner import DefaultRunner
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.errors import (
    ForeignDatabaseError,
    NewerSchemaError,
    NotADatabaseError,
    StoreError,
    StoreOpenError,
    StoreReadOnlyError,
)
from cloaca_core.store.migrate import load_before_base, load_migrations
from cloaca_core.store.protocol import StoreOptions
from cloaca_sqlite import BACKEND, dialect as dialect_module, opening
from cloaca_sqlite.driver import Connection
from cloaca_sqlite.opening import APPLICATION_ID, open_dialect, refuse_foreign
from cloaca_sqlite.url import parse
from cloaca_sqlite.wakeups import changes
from cloaca_testing.conformance.commits import stored, submit
from cloaca_testing.conformance.rows import new_run, schedule

KNOWN = load_migrations("cloaca_sqlite")
EARLIER = load_before_base("cloaca_sqlite").migrations
OLDER_RUNNER = """INSERT INTO cloaca_runner (
    id, boot_id, pid_namespace, pid, process_start, beat, lease_until, fenced, started_at
) VALUES ('r1', '', '', 1, 1, 7, 99, 0, 1)"""
"""A runner as versions before the eighth schema register it."""
EARLIER_RUNNER = OLDER_RUNNER.replace("started_at", "started_at, protocol").replace("1)", "1, 2)")
"""A runner as versions before the base register it."""
OLDER_RUN = """INSERT INTO cloaca_run (
    id, workflow, version, status, owner, epoch, created_at, started_at, tags, input
) VALUES ('a', 'w', 'v', 'Running', 'r1', 1, 5, 5, '{}', '{}')"""


def open_and_close(url: str) -> None:
    async def both() -> None:
        store = await BACKEND.open(url, StoreOptions())
        await store.close()

    asyncio.run(both())


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute(sql).fetchall()


# -- new and ours --------------------------------------------------------------------------------


@pytest.mark.parametrize("exists", [False, True])
def test_a_missing_or_empty_file_becomes_a_database_of_ours(tmp_path: Path, exists: bool) -> None:
    path = tmp_path / "new.db"
    if exists:
        path.touch()

    open_and_close(str(path))

    assert query(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    assert query(path, "SELECT number, name FROM cloaca_migration") == [
        (each.number, each.name) for each in KNOWN
    ]


def test_an_orderly_close_leaves_one_file(tmp_path: Path) -> None:
    open_and_close(str(tmp_path / "new.db"))

    assert [path.name for path in tmp_path.iterdir()] == ["new.db"]


@pytest.mark.parametrize(
    ("query_part", "expected"),
    [("", 2), ("?_synchronous=NORMAL", 1), ("?_synchronous=EXTRA", 3)],
)
def test_the_writer_is_as_durable_as_asked(tmp_path: Path, query_part: str, expected: int) -> None:
    async def synchronous() -> object:
        dialect = await open_dialect(parse(f"{tmp_path}/a.db{query_part}"), StoreOptions())
        try:
            return await dialect._writer.call(
                lambda raw: raw.execute("PRAGMA synchronous").fetchone()
            )
        finally:
            await dialect.close()

    assert asyncio.run(synchronous()) == (expected,)


def test_the_reader_cannot_write(tmp_path: Path) -> None:
    async def write() -> None:
        dialect = await open_dialect(parse(f"{tmp_path}/a.db"), StoreOptions())
        reader = dialect._reader
        assert reader is not None
        try:
            await reader.call(lambda raw: raw.execute("DELETE FROM cloaca_run").fetchall())
        finally:
            await dialect.close()

    with pytest.raises(StoreReadOnlyError):
        asyncio.run(write())


def test_a_database_in_memory_has_one_connection_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def readers() -> object:
        dialect = await open_dialect(parse(":memory:"), StoreOptions())
        await dialect.close()
        return dialect._reader

    assert asyncio.run(readers()) is None
    assert list(tmp_path.iterdir()) == []


def test_no_operation_of_an_inline_database_waits_or_needs_a_thread_or_a_loop() -> None:
    before = set(threading.enumerate())

    async def use() -> object:
        dialect = await open_dialect(parse(":memory:"), StoreOptions(inline=True))
        store = SqlStore(dialect, dialect.outbox)
        await submit(store, new_run("r1"))
        assert set(threading.enumerate()) <= before
        found = await stored(store, "r1")
        await store.close()
        with pytest.raises(StoreError, match="the store is closed"):
            await stored(store, "r1")
        return found.id

    using = use()

    with pytest.raises(StopIteration) as ended:
        using.send(None)
    assert ended.value.value == "r1"


def test_a_relative_path_stays_where_it_was_when_the_program_changes_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    target = parse("sqlite://a%3Fb%25.db?_busy_timeout=100")

    async def open_it() -> None:
        await (await open_dialect(target, StoreOptions())).close()

    asyncio.run(open_it())

    assert [path.name for path in tmp_path.iterdir()] == ["a?b%.db"]


@pytest.mark.parametrize(
    ("query", "options"),
    [("?mode=ro", StoreOptions()), ("", StoreOptions(read_only=True))],
)
def test_read_only_reads_what_is_there_and_refuses_writes_by_name(
    tmp_path: Path, query: str, options: StoreOptions
) -> None:
    path = tmp_path / "a.db"
    open_and_close(str(path))
    url = f"{path}{query}"

    async def read_and_write() -> None:
        store = await BACKEND.open(url, options)
        try:
            assert not store.writable
            assert await store.get_run("a") is None
            with pytest.raises(StoreReadOnlyError, match=r"a\.db"):
                await submit(store, new_run("a"))
        finally:
            await store.close()

    asyncio.run(read_and_write())


@pytest.mark.parametrize(
    ("executor_ms", "scheduler_ms", "seconds"),
    [(None, None, 0.1), (5000, 7000, 5.0), (20, None, 0.02)],
)
def test_a_runner_watches_the_file_as_its_shorter_interval_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    executor_ms: int | None,
    scheduler_ms: int | None,
    seconds: float,
) -> None:
    delays: list[float] = []

    class Watch(changes.ChangeWatch):
        def __init__(
            self, connection: Connection | None, first_delay: float, ears: changes.WakeSource | None
        ) -> None:
            delays.append(first_delay)
            super().__init__(connection, first_delay, ears)

    monkeypatch.setattr(dialect_module, "ChangeWatch", Watch)
    config = DefaultRunnerConfig(
        executor_poll_interval_ms=executor_ms, scheduler_poll_interval_ms=scheduler_ms
    )
    DefaultRunner(str(tmp_path / "a.db"), config=config).shutdown()

    assert delays == [seconds]


# -- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 20, 600, 9000])  # one byte is empty to SQLite
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, size: int) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"x" * size)

    with pytest.raises(
        NotADatabaseError, match=r"notes\.txt: the file is not a database"
    ) as refusal:
        open_and_close(str(path))

    assert refusal.value.database == str(path)
    assert isinstance(refusal.value.__cause__, sqlite3.DatabaseError)

    assert path.read_bytes() == b"x" * size
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        # Told by SQLite alone.
        ("notes.txt", NotADatabaseError),
        # Explained by what the file system says.
        ("missing/a.db", StoreOpenError),
    ],
)
def test_a_refusal_leads_to_what_sqlite_said(
    tmp_path: Path, name: str, refusal: type[StoreError]
) -> None:
    (tmp_path / "notes.txt").write_bytes(b"x" * 600)
    with pytest.raises(refusal) as caught:
        open_and_close(str(tmp_path / name))

    chain: list[BaseException] = [caught.value]
    while (cause := chain[-1].__cause__) is not None:
        assert cause not in chain
        chain.append(cause)
    assert isinstance(chain[-1], sqlite3.Error)


def test_another_program_s_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE customers (id)")
    before = path.read_bytes()

    with pytest.raises(ForeignDatabaseError, match=r"other\.db is another program's database"):
        open_and_close(str(path))

    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["other.db"]


@each_row(
    ("application_id", "tables", "message"),
    [
        # The tables that cloaca 0.2.0 and 0.12.0 make in a new file.
        (0, ["__diesel_schema_migrations", "contexts", "pipeline_executions",
             "task_executions", "cron_schedules"], "made by cloaca 0.x"),
        (0, ["__diesel_schema_migrations", "contexts", "workflow_executions",
             "task_executions", "schedules"], "made by cloaca 0.x"),
        (0, ["contexts", "task_executions"], "another program's"),
        (0, ["customers"], "another program's"),
        (77, [], "another program's"),
        (0, ["cloaca_migration", "cloaca_run"], f"PRAGMA application_id = {APPLICATION_ID}"),
    ],
)  # fmt: skip
def test_a_foreign_database_is_named(application_id: int, tables: list[str], message: str) -> None:
    with pytest.raises(ForeignDatabaseError, match=message):
        refuse_foreign("work.db", application_id, tables)


@each_row(("application_id", "tables"), [(0, []), (APPLICATION_ID, ["cloaca_run"])])
def test_an_empty_database_and_ours_are_not_foreign(application_id: int, tables: list[str]) -> None:
    refuse_foreign("work.db", application_id, tables)


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_and_close(str(path))
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("INSERT INTO cloaca_migration VALUES (99, 'future', 'x', 0)")

    with pytest.raises(NewerSchemaError, match="newer cloaca") as refusal:
        open_and_close(str(path))

    assert refusal.value.database == str(path)

    assert query(path, "SELECT max(number) FROM cloaca_migration") == [(99,)]


@pytest.mark.parametrize(
    ("url", "obstacle", "reason"),
    [
        # no mode makes a directory
        ("missing/a.db", "the directory .*missing does not exist", "unfit"),
        ("folder", "it is a directory", "unfit"),
        ("folder?mode=ro", "it is a directory", "unfit"),
        ("absent.db?mode=rw", "it does not exist$", "missing"),
        ("absent.db?mode=ro", "it does not exist$", "missing"),
        (f"{'x' * 300}.db", "File name too long", "unfit"),
        (f"{'x' * 300}/a.db", "File name too long", "unfit"),
    ],
)
def test_what_cannot_be_opened_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, obstacle: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()

    with pytest.raises(
        StoreOpenError, match=rf"{tmp_path}.* cannot be opened: {obstacle}"
    ) as refusal:
        open_and_close(url)

    assert refusal.value.reason == reason
    assert refusal.value.database == str(tmp_path / url.partition("?")[0])


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_hard_link(path: Path) -> None:
    Path("other.db").touch()
    path.hardlink_to("other.db")


@pytest.mark.parametrize("mode", ["rwc", "rw", "ro"])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "it is a FIFO, not a file"),
        (make_socket, "it is a socket, not a file"),
        (lambda path: path.symlink_to("/dev/null"), "it is a device, not a file"),
        (lambda path: path.symlink_to("gone.db"), "it is a symbolic link to gone.db, which does"),
        (make_hard_link, "the file has a second name, a hard link"),
    ],
    ids=["FIFO", "socket", "device", "dangling link", "hard link"],
)
def test_what_is_no_file_of_its_own_is_refused_and_nothing_is_made(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], None],
    reason: str,
    mode: str,
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket must be short
    make(Path("a.db"))
    before = sorted(tmp_path.iterdir())

    with pytest.raises(StoreOpenError, match=rf"a\.db cannot be opened: {reason}") as refusal:
        open_and_close(f"a.db?mode={mode}")

    assert refusal.value.database == str(tmp_path / "a.db")
    assert sorted(tmp_path.iterdir()) == before


def test_an_empty_file_beside_the_log_of_an_earlier_one_is_no_new_database(tmp_path: Path) -> None:
    path, log = tmp_path / "a.db", tmp_path / "a.db-wal"
    path.touch()
    log.write_bytes(b"commits")

    with pytest.raises(StoreOpenError, match=r"a\.db cannot be opened: it is empty, but a\.db-wal"):
        open_and_close(f"{path}")

    assert (path.read_bytes(), log.read_bytes()) == (b"", b"commits")
    log.write_bytes(b"")
    open_and_close(f"{path}")
    assert path.stat().st_size > 0


def test_a_file_that_is_mounted_by_itself_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    path.touch()
    monkeypatch.setattr(opening, "is_mount_point", lambda found: found == path)

    with pytest.raises(StoreOpenError, match=r"a\.db cannot .* mount its directory instead"):
        open_and_close(str(path))

    assert list(tmp_path.iterdir()) == [path]


def test_three_slashes_that_may_have_meant_a_relative_path_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no-such-root").mkdir()

    with pytest.raises(StoreOpenError, match=r"sqlite://no-such-root/a\.db would be the file"):
        open_and_close("sqlite:///no-such-root/a.db")
    with pytest.raises(StoreOpenError) as refusal:
        open_and_close("sqlite:///nor-this/a.db")
    assert "would be" not in str(refusal.value)


# -- permissions ---------------------------------------------------------------------------------

_AS_SOMEBODY = """
import asyncio, os, sys
from cloaca_core.store.migrate import load_migrations
from cloaca_core.store.protocol import StoreOptions
from cloaca_sqlite import BACKEND

if os.getuid() == 0:
    os.setuid(65534)

async def main():
    try:
        await (await BACKEND.open(sys.argv[1], StoreOptions())).close()
    except Exception as error:
        print(type(error).__name__, error)

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user reaches; pytest's own are private."""
    with TemporaryDirectory(prefix="cloaca-open-") as name:
        Path(name).chmod(0o755)
        inner = Path(name, "folder")
        inner.mkdir()
        yield inner
        inner.chmod(0o755)


def _open_as_somebody_else(path: Path) -> str:
    """The output of opening as a user to whom file permissions apply, unlike root."""
    done = subprocess.run(
        [sys.executable, "-c", _AS_SOMEBODY, str(path)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_directory_that_cannot_be_written_is_named(folder: Path) -> None:
    folder.chmod(0o555)

    said = _open_as_somebody_else(folder / "a.db")

    assert said.startswith(f"StoreOpenError {folder}/a.db cannot be opened: the directory")
    assert "is not writable" in said


def test_a_directory_that_may_not_be_entered_is_a_reason(folder: Path) -> None:
    folder.chmod(0o000)

    said = _open_as_somebody_else(folder / "inner" / "a.db")

    assert said == f"StoreOpenError {folder}/inner/a.db cannot be opened: Permission denied"


def test_a_file_that_cannot_be_written_is_refused_at_open(folder: Path) -> None:
    folder.chmod(0o777)
    open_and_close(str(folder / "a.db"))
    (folder / "a.db").chmod(0o444)

    said = _open_as_somebody_else(folder / "a.db")

    assert said == f"StoreReadOnlyError {folder}/a.db cannot be written: permission denied"


# -- killed --------------------------------------------------------------------------------------

_DIE_IN_MIGRATION = """
import asyncio, os, sqlite3, sys
from cloaca_core.store.migrate import load_migrations
from cloaca_core.store.protocol import StoreOptions
from cloaca_sqlite import BACKEND, migrator

def dying(script, split=migrator.split_statements):
    for number, statement in enumerate(split(script)):
        if number == int(sys.argv[2]):
            os._exit(9)
        yield statement

migrator.split_statements = dying
asyncio.run(BACKEND.open(sys.argv[1], StoreOptions()))
"""


@pytest.mark.parametrize("statement", [1, 3, 8, 50])
def test_a_process_killed_while_it_makes_one_leaves_a_new_database(
    tmp_path: Path, statement: int
) -> None:
    path = tmp_path / "a.db"
    died = subprocess.run(
        [sys.executable, "-c", _DIE_IN_MIGRATION, str(path), str(statement)],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert died.returncode == 9
    assert query(path, "SELECT name FROM sqlite_master") == []

    open_and_close(str(path))

    assert query(path, "SELECT number FROM cloaca_migration") == [(each.number,) for each in KNOWN]


def test_every_commit_is_in_a_copy_of_the_files_made_right_after_it(tmp_path: Path) -> None:
    """As after a power cut, at best: file and log as they are, no orderly close."""
    path, copy = tmp_path / "a.db", tmp_path / "copy.db"

    async def commit_and_copy() -> None:
        store = await BACKEND.open(str(path), StoreOptions())
        try:
            for name in "abcde":
                await submit(store, new_run(name, owner=None))
                _copy(path, copy)
                assert len(query(copy, "SELECT id FROM cloaca_run")) == "abcde".index(name) + 1
        finally:
            await store.close()

    asyncio.run(commit_and_copy())


def _copy(path: Path, to: Path) -> None:
    # By another process: to open and close the file in this one would drop SQLite's locks.
    for suffix in ("", "-wal"):
        subprocess.run(["cp", f"{path}{suffix}", f"{to}{suffix}"], check=True)
    Path(f"{to}-shm").unlink(missing_ok=True)


def test_a_leaked_store_does_not_keep_the_interpreter() -> None:
    leak = (
        "import asyncio\n"
        "from cloaca_core.store.protocol import StoreOptions\n"
        "from cloaca_sqlite import BACKEND\n"
        "store = asyncio.run(BACKEND.open(':memory:', StoreOptions()))\n"
    )
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}

    subprocess.run([sys.executable, "-c", leak], env=env, check=True)


def test_a_damaged_file_is_a_store_error(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_and_close(str(path))
    content = bytearray(path.read_bytes())
    content[100:400] = os.urandom(300)
    path.write_bytes(content)

    with pytest.raises(StoreError, match=r"a\.db"):
        open_and_close(str(path))


def test_a_database_of_the_first_schema_is_migrated_with_its_live_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.db"
    with monkeypatch.context() as earlier:
        earlier.setattr("cloaca_sqlite.opening.load_migrations", lambda _: EARLIER[:1])
        open_and_close(str(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute(OLDER_RUNNER)
        raw.execute(OLDER_RUN)

    async def migrated() -> None:
        store = await BACKEND.open(str(path), StoreOptions())
        try:
            assert (await stored(store, "a")).owner == "r1"
            assert [(each.id, each.fenced) for each in await store.runners()] == [("r1", True)]
            assert await store.put_schedule(schedule()) == "s"
        finally:
            await store.close()

    asyncio.run(migrated())


def test_a_runner_of_an_earlier_version_cannot_register_any_more(tmp_path: Path) -> None:
    """It would claim runs that it does not understand. Those that are open were fenced."""
    path = tmp_path / "a.db"
    open_and_close(str(path))

    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        with pytest.raises(sqlite3.IntegrityError, match=r"cloaca_runner\.protocol"):
            raw.execute(OLDER_RUNNER)
        with pytest.raises(sqlite3.IntegrityError, match="protocol >= 3"):
            raw.execute(EARLIER_RUNNER)
        with pytest.raises(sqlite3.IntegrityError, match="protocol >= 4"):
            raw.execute(EARLIER_RUNNER.replace("1, 2)", "1, 3)"))
