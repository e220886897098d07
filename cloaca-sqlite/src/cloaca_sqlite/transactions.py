"""Transactions of task bodies, each on a connection of its own to the file.

The connection commits nothing by itself: its authorizer refuses to begin and to end transactions,
and every statement once its transaction is over, also where SQLite has rolled it back after an
error. Such a transaction holds the file's write lock from its begin on, so bodies take turns, and
leave other writers a moment in between.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

import aiosqlite

from cloaca_core.store.transactions import (
    CommitUnknownError,
    Recording,
    ended_by_body,
    not_by_body,
)
from cloaca_sqlite.driver import hop, run_steps, work_as_daemon
from cloaca_sqlite.errors import DRIVER_ERRORS, code_of, is_busy, translated
from cloaca_sqlite.files.file_connection import FileConnection, connect_as
from cloaca_sqlite.url import MEMORY

if TYPE_CHECKING:
    from types import TracebackType

_ENDS: Final = frozenset({sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH})
"""Statements that would end the transaction, or take it to other files."""
_RETRY_S: Final = 0.005
"""Pause between two tries for the lock, and after the body before: the store tries more often."""
_PROGRESS: Final = 10_000
"""Instructions of SQLite's machine after which a statement notices that its body was given up."""
_SERIALIZED: Final = 3
"""``sqlite3.threadsafety`` of a library whose connections several threads may use at once."""


class _BodyCursor(sqlite3.Cursor):
    """Says by name what the authorizer has refused."""

    def execute(self, sql: str, *parameters: Any) -> Self:
        try:
            return super().execute(sql, *parameters)
        except sqlite3.DatabaseError as error:
            raise self._named(error, sql) from error

    def executemany(self, sql: str, *parameters: Any) -> Self:
        try:
            return super().executemany(sql, *parameters)
        except sqlite3.DatabaseError as error:
            raise self._named(error, sql) from error

    def _named(self, error: sqlite3.DatabaseError, sql: str) -> Exception:
        raw = self.connection
        assert isinstance(raw, BodyConnection)
        if code_of(error) != sqlite3.SQLITE_AUTH or raw.is_dead:
            return error
        return not_by_body(" ".join(sql.split()[:2])) if raw.in_transaction else ended_by_body()


class BodyConnection(FileConnection):
    """The connection of a body. ``is_ours`` while the engine uses it, ``is_dead`` once the body was
    given up; ``closed`` is called when its locks are gone.
    """

    is_ours: bool = True
    is_dead: bool = False
    reaper: int = 0
    """The thread that rolls back in the place of the body's."""
    closed: Callable[[], None]

    def guard(self) -> None:
        """Refuse what the body must not do, from now on."""
        super().set_authorizer(self._authorize)
        super().set_progress_handler(lambda: self.is_dead and not self._is_engine(), _PROGRESS)

    def _is_engine(self) -> bool:
        return self.is_ours or self.reaper == threading.get_ident()

    def _authorize(self, action: int, *_: object) -> int:
        if self._is_engine():
            return sqlite3.SQLITE_OK
        if self.is_dead or action in _ENDS or not self.in_transaction:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK

    def end(self) -> None:
        """Roll back, if that is left to do, and close."""
        self.is_ours = True
        try:
            with suppress(*DRIVER_ERRORS):
                if self.in_transaction:
                    self.execute("ROLLBACK")
            with suppress(*DRIVER_ERRORS):
                super().close()
        finally:
            self.closed()

    def cursor(self, factory: Any = _BodyCursor) -> Any:
        """A cursor, whose refusals have names."""
        return super().cursor(factory)

    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """As the driver's, by a cursor of ours."""
        cursor: sqlite3.Cursor = self.cursor().execute(sql, *parameters)
        return cursor

    def executemany(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        """As the driver's, by a cursor of ours."""
        cursor: sqlite3.Cursor = self.cursor().executemany(sql, *parameters)
        return cursor

    # -- what the body must not do -----------------------------------------------------------

    def commit(self) -> None:
        raise not_by_body("connection.commit()")

    def rollback(self) -> None:
        raise not_by_body("connection.rollback()")

    def close(self) -> None:
        if self.is_ours:  # by a thread that ends before a body had it
            self.end()
            return
        raise not_by_body("connection.close()")

    def executescript(self, _: str, /) -> NoReturn:
        raise not_by_body("connection.executescript(), which commits")

    def set_authorizer(self, *_: Any, **__: Any) -> NoReturn:
        raise not_by_body("connection.set_authorizer()")

    def set_progress_handler(self, *_: Any, **__: Any) -> NoReturn:
        raise not_by_body("connection.set_progress_handler()")

    def __enter__(self) -> NoReturn:
        raise not_by_body("`with connection:`, which commits")

    def __exit__(
        self,
        type: type[BaseException] | None,  # noqa: A002 - the name of the protocol
        value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> NoReturn:
        raise not_by_body("`with connection:`, which commits")


class AwaitedConnection(aiosqlite.Connection):
    """The connection of an async body. Its thread is a daemon, as it may be left by the engine."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self._thread = threading.Thread(target=work_as_daemon, args=(self._tx,), daemon=True)

    async def commit(self) -> None:
        raise not_by_body("connection.commit()")

    async def rollback(self) -> None:
        raise not_by_body("connection.rollback()")

    async def close(self) -> None:
        raise not_by_body("connection.close()")

    async def __aexit__(self, *_: object) -> None:
        raise not_by_body("`async with connection:`, which closes it")


class SqliteTransaction:
    """An open transaction of a body. Contracts: see ``BodyTransaction``."""

    def __init__(self, raw: BodyConnection, path: str, busy_timeout: float) -> None:
        self.connection: BodyConnection = raw
        self._path = path
        self._busy_timeout = busy_timeout

    def commit(self, recording: Recording) -> bool:
        raw = self.connection
        raw.is_ours = True
        raw.row_factory, raw.text_factory = None, str
        try:
            return self._committed(raw, recording)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        finally:
            raw.end()

    def _committed(self, raw: BodyConnection, recording: Recording) -> bool:
        if not raw.in_transaction:
            raise ended_by_body()
        raw.check_place()
        if not recording.counts(run_steps(raw, recording.steps)):
            return False
        try:
            _patiently(lambda: raw.execute("COMMIT"), self._busy_timeout)
        except DRIVER_ERRORS as error:
            if raw.in_transaction:
                raise
            raise CommitUnknownError(str(translated(error, self._path))) from error
        return True

    def roll_back(self) -> None:
        self.connection.end()

    def end_now(self) -> None:
        self.connection.is_dead = True
        threading.Thread(target=self._reap, name="cloaca-rollback", daemon=True).start()

    def _reap(self) -> None:
        """Roll back beside the body's thread. First nothing more can be written, or a statement for
        many rows would write the rest of them after the rollback, each by itself.
        """
        raw = self.connection
        raw.reaper = threading.get_ident()
        with suppress(*DRIVER_ERRORS):  # it has ended by itself, and the connection is closed
            raw.interrupt()
            raw.execute("PRAGMA query_only = ON")
            raw.execute("ROLLBACK")
        raw.closed()


class AwaitedSqliteTransaction:
    """The same for a coroutine: all is done on the connection's thread."""

    def __init__(self, connection: AwaitedConnection, inner: SqliteTransaction) -> None:
        self.connection: AwaitedConnection = connection
        self._inner = inner

    async def commit(self, recording: Recording) -> bool:
        try:
            return await hop(self.connection, lambda _: self._inner.commit(recording))
        finally:
            self.connection.stop()

    async def roll_back(self) -> None:
        try:
            await hop(self.connection, lambda _: self._inner.roll_back())
        finally:
            self.connection.stop()

    def end_now(self) -> None:
        self._inner.end_now()


class SqliteTransactions:
    """Opens transactions in the file at ``path``. Contracts: see ``Transactions``."""

    excludes_writers: bool = True

    def __init__(self, uri: str, path: str, synchronous: str, busy_timeout: float) -> None:
        self._uri = uri
        self._path = path
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._turn = threading.Lock()
        self._ended_at = 0.0

    @property
    def refusal(self) -> str | None:
        if self._path == MEMORY:
            return (
                "the runner's database is in memory (:memory:), where there is no other "
                "connection; open the runner on a file"
            )
        if sqlite3.threadsafety != _SERIALIZED:
            return "the SQLite of this Python was compiled for one thread"
        return None

    def begin(self) -> SqliteTransaction:
        return SqliteTransaction(self._begun(), self._path, self._busy_timeout)

    async def begin_awaited(self) -> AwaitedSqliteTransaction:
        made: list[BodyConnection] = []

        def connector() -> BodyConnection:
            made.append(self._begun())
            return made[0]

        connection = AwaitedConnection(connector)
        try:
            await connection
        except BaseException:
            connection.stop()
            raise
        inner = SqliteTransaction(made[0], self._path, self._busy_timeout)
        return AwaitedSqliteTransaction(connection, inner)

    def _begun(self) -> BodyConnection:
        """A connection with an open transaction."""
        self._turn.acquire()
        turn = _Once(self._pass_on)
        try:
            raw = connect_as(
                BodyConnection, self._uri, self._path, one_thread=False, cached_statements=0
            )
        except DRIVER_ERRORS as error:
            turn()
            raise translated(error, self._path) from error
        except BaseException:
            turn()
            raise
        raw.closed = turn
        try:
            raw.settle()
            raw.execute(self._synchronous)
            if time.monotonic() - self._ended_at < _RETRY_S:
                time.sleep(
                    _RETRY_S
                )  # the store's turn: the body before this one has kept it waiting
            _patiently(lambda: raw.execute("BEGIN IMMEDIATE"), self._busy_timeout)
            raw.guard()
        except DRIVER_ERRORS as error:
            raw.end()
            raise translated(error, self._path) from error
        except BaseException:
            raw.end()
            raise
        raw.is_ours = False
        return raw

    def _pass_on(self) -> None:
        """The locks of a transaction are gone."""
        self._ended_at = time.monotonic()
        self._turn.release()


class _Once:
    """Calls a function the first time that it is called itself."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._left = [function]

    def __call__(self) -> None:
        with suppress(IndexError):
            self._left.pop()()


def _patiently(attempt: Callable[[], object], seconds: float) -> None:
    """Try until the lock is free, for so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            attempt()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
        else:
            return
        time.sleep(_RETRY_S)
