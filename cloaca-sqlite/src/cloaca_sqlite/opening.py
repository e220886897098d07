"""Opens and migrates a target's database, or raises an error that says what is wrong.

Another program's file is refused before anything in it is changed. Files are read only through
SQLite and ``stat``: opening and closing one otherwise would drop the POSIX locks that other
connections of this process hold on it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_from_bytes

from cloaca_core.errors import (
    ForeignDatabaseError,
    OpenReason,
    StoreError,
    StoreOpenError,
    StoreReadOnlyError,
)
from cloaca_core.store.migrate import (
    load_before_base,
    load_head,
    load_migrations,
    migrate,
)
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.times.clock import Clock
from cloaca_sqlite.dialect import SqliteDialect
from cloaca_sqlite.driver import Connection, InlineConnection
from cloaca_sqlite.errors import code_of
from cloaca_sqlite.files.file_connection import HARD_LINK
from cloaca_sqlite.files.open_files import is_mount_point
from cloaca_sqlite.files.siblings import Siblings
from cloaca_sqlite.migrator import PACKAGE, SqliteMigrator, table_names
from cloaca_sqlite.outbox import SqliteOutbox
from cloaca_sqlite.url import MEMORY, READ_ONLY, Target, at_home
from cloaca_sqlite.wakeups.announcements import Wakeups
from cloaca_sqlite.wakeups.wake_socket import IS_SUPPORTED

if TYPE_CHECKING:
    from cloaca_sqlite.transactions import SqliteTransactions

APPLICATION_ID = 0x636C6F61
"""``cloa``; the first migration writes it into the file's header."""

_EARLIER: Final = partial(load_before_base, PACKAGE)
_NO_FILES = {
    stat.S_ISDIR: "a directory",  # read-only, SQLite reports that the disk failed
    stat.S_ISFIFO: "a FIFO",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
}
_TABLES_OF_0X = {"__diesel_schema_migrations", "contexts", "task_executions"}
"""Tables that the SQLite databases of both cloaca 0.2 and 0.12 have."""
_MISSING: Final = "it does not exist"
_UNMADE: Final = (
    "its tables are missing or of an earlier version, and opening it to look makes none"
)
_SYNCHRONOUS = {
    "NORMAL": ("PRAGMA synchronous = NORMAL", 1),
    "FULL": ("PRAGMA synchronous = FULL", 2),
    "EXTRA": ("PRAGMA synchronous = EXTRA", 3),
}


async def open_dialect(target: Target, options: StoreOptions) -> SqliteDialect:
    """Open and migrate the database of a target."""
    if options.read_only and not target.in_memory:
        target = replace(target, mode=READ_ONLY)
    if target.in_memory and options.shared:
        raise StoreOpenError(
            "a client needs a database that runners can open too, and no other connection can open "
            "one in memory (:memory:); name a file, or use a runner"
        )
    path = _place(target)
    if not target.in_memory:
        _refuse_unfit(target, Path(path))
    kind = InlineConnection if options.inline and target.in_memory else Connection
    writer = _connection(target, path, target.mode, kind)
    reader = None if target.in_memory else _connection(target, path, READ_ONLY)
    try:
        await _open_writer(writer, target, path, options.clock)
        if reader is not None:
            await _open_reader(reader)
            writer.siblings = reader.siblings = Siblings([writer, reader])
    except StoreError as error:
        await writer.close()
        error.database = path
        if (explained := _explained(error, target, path)) is None:
            raise
        raise explained from error
    except BaseException:
        await writer.close()
        raise
    writable = target.mode != READ_ONLY
    shared = writable and not target.in_memory and IS_SUPPORTED
    return SqliteDialect(
        writer,
        reader,
        options.poll_interval,
        SqliteOutbox(path),
        writable=writable,
        clock=options.clock,
        wakeups=Wakeups(options.clock) if shared else None,
        transactions=partial(_transactions, target, path),
    )


def _transactions(target: Target, path: str) -> SqliteTransactions:
    from cloaca_sqlite.transactions import SqliteTransactions  # few programs have any

    pragma, _ = _SYNCHRONOUS[target.synchronous]
    return SqliteTransactions(
        _uri(target, path, target.mode),
        path,
        pragma,
        busy_timeout=target.busy_timeout_ms / 1000,
    )


async def open_to_examine(target: Target, *, foreign: bool = False) -> Connection:
    """A connection that only reads, to a file of any version of cloaca or of another program."""
    if target.in_memory:
        raise StoreOpenError("a database in memory cannot be examined from outside: name a file")
    path = _place(target)
    target = replace(target, mode=READ_ONLY)
    _refuse_unfit(target, Path(path))
    connection = _connection(target, path, READ_ONLY)
    try:
        await connection.open()
        if not foreign:
            await connection.call(lambda raw: refuse_foreign(path, *_identity(raw)))
        await connection.settle()
    except StoreError as error:
        await connection.close()
        if (explained := _explained(error, target, path)) is None:
            raise
        raise explained from error
    except BaseException:
        await connection.close()
        raise
    return connection


async def _open_writer(writer: Connection, target: Target, path: str, clock: Clock) -> None:
    await writer.open()
    await writer.call(lambda raw: refuse_foreign(path, *_identity(raw)))
    if target.mode == READ_ONLY:
        await writer.settle()
    else:
        await writer.settle(lambda raw: _configure(raw, target, path))
    migrator = SqliteMigrator(writer, clock)
    await migrate(migrator, load_migrations(PACKAGE), load_head(PACKAGE), _EARLIER)


async def _open_reader(reader: Connection) -> None:
    await reader.open()
    await reader.settle()


def refuse_foreign(path: str, application_id: int, tables: Collection[str]) -> None:
    """Raise unless the database is empty or ours."""
    if application_id == APPLICATION_ID or (application_id == 0 and not tables):
        return
    if _TABLES_OF_0X.issubset(tables):
        raise ForeignDatabaseError(
            f"{path} was made by cloaca 0.x: name another file, and import its work into that"
            " (cloaca.databases.import_0x)"
        )
    hint = ""
    if "cloaca_migration" in tables:
        hint = f" (if it is a restored dump: PRAGMA application_id = {APPLICATION_ID})"
    raise ForeignDatabaseError(f"{path} is another program's database: name another file{hint}")


def _identity(connection: sqlite3.Connection) -> tuple[int, list[str]]:
    # The tables first: another process may create tables and id between these two statements.
    tables = table_names(connection)
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    return int(application_id), tables


def _configure(connection: sqlite3.Connection, target: Target, path: str) -> None:
    """Set the pragmas that make commits durable, and verify them."""
    if connection.execute("PRAGMA page_count").fetchone() == (0,):
        # A new file: pages that become free can be given back. It cannot be changed later.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    (journal,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if journal != ("memory" if target.in_memory else "wal"):
        raise StoreOpenError(
            f"{path} cannot be used with a write-ahead log (journal mode stays {journal}):"
            " is it on a network file system?"
        )
    pragma, wanted = _SYNCHRONOUS[target.synchronous]
    connection.execute(pragma)
    if connection.execute("PRAGMA synchronous").fetchone() != (wanted,):
        raise StoreOpenError(f"{path}: synchronous={target.synchronous} has no effect")
    _try_to_write(connection)


def _try_to_write(connection: sqlite3.Connection) -> None:
    """Fail now rather than at the first run: SQLite opens a file without write access read-only.

    ``BEGIN IMMEDIATE`` alone succeeds on such a file; a change of the header does not.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("PRAGMA user_version = 0")
    finally:
        connection.execute("ROLLBACK")


def _place(target: Target) -> str:
    """The absolute path: the program may change its directory later."""
    return MEMORY if target.in_memory else str(Path(target.path).absolute())


def _uri(target: Target, path: str, mode: str) -> str:
    place = ":memory:" if target.in_memory else quote_from_bytes(os.fsencode(path))
    return f"file:{place}?mode={'memory' if target.in_memory else mode}"


def _connection(
    target: Target, path: str, mode: str, kind: type[Connection] = Connection
) -> Connection:
    return kind(
        _uri(target, path, mode),
        path=path,
        busy_timeout=target.busy_timeout_ms / 1000,
        read_only=mode == READ_ONLY,
    )


def _explained(error: StoreError, target: Target, path: str) -> StoreError | None:
    """A clearer error, with the cause that the file system shows, if it does."""
    code = code_of(error.__cause__) if error.__cause__ else None
    if code not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return None
    obstacle = _obstacle(Path(path), target.mode)
    if code == sqlite3.SQLITE_CANTOPEN:
        told = f"{obstacle or 'SQLite gives no reason'}{_other_reading(target)}"
        reason: OpenReason = "missing" if obstacle == _MISSING else "unfit"
        return StoreOpenError(f"{path} cannot be opened: {told}", database=path, reason=reason)
    if obstacle is None and target.mode == READ_ONLY:
        return StoreReadOnlyError(f"{path}: {_UNMADE}", database=path, is_unmade=True)
    message = f"{path} cannot be written: {obstacle or 'it is read-only'}"
    return StoreReadOnlyError(message, database=path)


def _obstacle(path: Path, mode: str) -> str | None:
    """The reason why this file cannot be opened, if it can be found."""
    if (reason := _out_of_reach(path)) is not None:
        return reason
    parent = path.parent
    if not parent.is_dir():
        return f"the directory {parent} does not exist"
    if path.is_dir():
        return "it is a directory"
    if not path.exists() and mode != "rwc":
        return _MISSING
    if path.exists() and not os.access(path, os.R_OK if mode == READ_ONLY else os.R_OK | os.W_OK):
        return "permission denied"
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"the directory {parent} is not writable (SQLite keeps its log beside the file)"
    return None


def _out_of_reach(path: Path) -> str | None:
    """The reason why ``stat`` fails: too long a name, a directory that may not be entered."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error.strerror
    return None


def _refuse_unfit(target: Target, path: Path) -> None:
    """Refuse a path that SQLite would open, but lose writes or leave a wrong file behind."""
    if (reason := _unfitness(path)) is not None:
        message = f"{path} cannot be opened: {reason}{_other_reading(target)}"
        raise StoreOpenError(message, database=str(path))


def _unfitness(path: Path) -> str | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return _dangling(path)
    except OSError:  # SQLite will fail as well, and ``_explained`` says why
        return None
    for is_kind, kind in _NO_FILES.items():
        if is_kind(found.st_mode):
            return f"it is {kind}, not a file"
    if not stat.S_ISREG(found.st_mode):
        return None
    return _second_name(path, found) or (None if found.st_size else _emptied(path))


def _dangling(path: Path) -> str | None:
    """The reason to make no file at a broken link: often a disk is not mounted."""
    if path.is_symlink():
        return f"it is a symbolic link to {path.readlink()}, which does not exist"
    return None


def _emptied(path: Path) -> str | None:
    """The reason to make no new database of an empty file: SQLite would delete the log beside it,
    which may have all of an earlier one.
    """
    log = Path(f"{path.resolve()}-wal")
    try:
        is_lost = log.stat().st_size > 0 and not path.stat().st_size  # no process makes it just now
    except OSError:
        return None
    if not is_lost:
        return None
    return (
        f"it is empty, but {log.name} beside it is not: the database was emptied while a program"
        f" had it open, and {log.name} has what was committed last. Restore a backup, or move"
        f" {log.name} away to begin a new database"
    )


def _second_name(path: Path, found: os.stat_result) -> str | None:
    """The reason why writes under this name could be missing under another one."""
    if found.st_nlink > 1:
        return HARD_LINK
    if is_mount_point(path.resolve()):
        return (
            "the file is mounted by itself, as into a container. SQLite keeps a log beside it,"
            " which the other side does not see: mount its directory instead"
        )
    return None


def _other_reading(target: Target) -> str:
    """The hint for users who wrote ``sqlite:///work.db`` and meant ``./work.db``."""
    relative = target.relative_reading
    if not relative:
        return ""
    meant = Path(at_home(relative)).absolute()
    if _obstacle(meant, target.mode) is not None:
        return ""
    return f". Three slashes make a path absolute; sqlite://{relative} would be the file {meant}"
