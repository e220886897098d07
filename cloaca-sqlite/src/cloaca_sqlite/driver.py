"""One connection: a whole transaction in one hop to aiosqlite's thread.

Only this module uses private parts of aiosqlite, and only this one waits for SQLite's locks. It
knows nothing of tables.
"""

from __future__ import annotations

import asyncio
import random
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from typing import Any, Final, TypeVar, TypeVarTuple

import aiosqlite
from aiosqlite.core import _STOP_RUNNING_SENTINEL, _TxQueue, set_exception, set_result

from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, Statement, Wording
from cloaca_sqlite.errors import DRIVER_ERRORS, is_busy, is_undecodable, translated
from cloaca_sqlite.files.file_connection import (
    FileConnection,
    Folding,
    LogLostError,
    connect,
    connect_again,
)
from cloaca_sqlite.files.fork_gate import GATE
from cloaca_sqlite.files.siblings import Siblings

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

WORDING: Final = Wording(
    placeholder="?", member="IN (SELECT value FROM json_each(?))", items="json_each(?)"
)

_RETRY_S = (0.0002, 0.001)
"""Pause between two tries for a lock: shorter than a courtesy pause, so that a try hits it."""
_COURTESY_S = 0.001
_COMMITS_IN_A_ROW = 4
"""After so many commits a busy writer that others wait for pauses for ``_COURTESY_S``."""
_CLOSE_TIMEOUT_S = 2.0
"""How long ``close`` waits for a disk that does not answer; the thread is a daemon."""
_ROWS_AT_ONCE: Final = 16
"""More gain little: the indexes of a table are opened once for so many rows."""
_VALUES: Final = re.compile(r"\bVALUES\s+(?P<row>\(\s*\?(?:,\s*\?)*\s*\))")
_RENEWALS = 3
"""Restarts of one operation because the log was lost: each needs a new loss."""


class Connection(aiosqlite.Connection):
    """An aiosqlite connection that runs functions and step lists, each in one hop.

    Its thread is a daemon: a connection left open must not keep the process alive.
    """

    def __init__(
        self, uri: str, *, path: str, busy_timeout: float, read_only: bool = False
    ) -> None:
        super().__init__(lambda: connect(uri, path, read_only=read_only), iter_chunk_size=64)
        self._thread = threading.Thread(target=work_as_daemon, args=(self._tx,), daemon=True)
        self._uri = uri
        self.path = path
        self._busy_timeout = busy_timeout
        self._closing = threading.Event()
        self._courtesy = Courtesy()
        self._stopped: asyncio.Future[object] | None = None
        self._configure: Callable[[sqlite3.Connection], object] | None = None
        self.siblings: Siblings = Siblings([self])

    async def open(self) -> None:
        """Start the thread and open the file."""
        try:
            await self
        except BaseException as error:
            # aiosqlite stops its thread but does not wait for it; the thread could answer to a
            # loop that is closed by then, with a traceback on stderr.
            if self._stopped is not None:
                await self._stopped
            if isinstance(error, DRIVER_ERRORS):
                raise translated(error, self.path) from error
            raise

    async def settle(self, configure: Callable[[sqlite3.Connection], object] | None = None) -> None:
        """Configure the connection, now and after each reconnect; then watch its log."""
        self._configure = configure
        await self._hop(self._settle)

    def _settle(self, raw: FileConnection) -> None:
        if (configure := self._configure) is not None:
            self._wait_for_lock(configure, raw)
        self._wait_for_lock(raw.settle)

    def stop(self) -> asyncio.Future[object] | None:
        """Tell the thread to close and end; the future is done when it has."""
        self._stopped = super().stop()
        return self._stopped

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function on the connection's thread; repeat it while SQLite is busy."""

        def attempts(raw: FileConnection) -> T:
            raw.check_log()
            return self._wait_for_lock(function, raw)

        return await self._hop(attempts)

    def transact(
        self,
        work: Callable[[sqlite3.Connection], T],
        on_commit: Callable[[T], None] | None = None,
    ) -> Coroutine[Any, Any, T]:
        """Run a function in one immediate transaction.

        ``on_commit`` is called on the connection's thread, with the function's result, once the
        commit is durable.
        """

        def transaction(raw: FileConnection) -> T:
            self._courtesy.before_begin()
            self._wait_for_lock(raw.execute, "BEGIN IMMEDIATE")
            result = self._finish(raw, work)
            try:
                raw.check_log()
            except LogLostError:  # the commit counts if it is in the file itself
                if self._folded(raw) is not Folding.DONE:
                    raise
            self._courtesy.after_commit()
            if on_commit is not None:
                on_commit(result)
            return result

        return self._hop(transaction)

    async def _hop(self, function: Callable[[FileConnection], T]) -> T:
        for _ in range(_RENEWALS):
            self._refuse_closed()
            raw = self.raw
            try:
                # Not by ``_on_thread``, for speed: each step of a run comes here.
                result: T = await self._execute(  # type: ignore[no-untyped-call] # aiosqlite's own
                    lambda raw=raw: _at_its_place(raw, function)
                )
            except LogLostError:
                await self.siblings.renew(self, raw)
            except DRIVER_ERRORS as error:
                raise translated(error, self.path) from error
            else:
                return result
        raise StoreUnavailableError(
            f"{self.path}: its -wal or -shm file is deleted again and again", database=self.path
        )

    async def _on_thread(self, work: Callable[[], T]) -> T:
        self._refuse_closed()
        try:
            result: T = await self._execute(work)  # type: ignore[no-untyped-call] # aiosqlite's own
        except DRIVER_ERRORS as error:
            raise translated(error, self.path) from error
        return result

    def _refuse_closed(self) -> None:
        if self._closing.is_set():
            raise StoreError(f"{self.path}: the store is closed", database=self.path)

    # -- reconnect ---------------------------------------------------------------------------

    @property
    def raw(self) -> FileConnection:
        """The underlying connection; a new one after each reconnect."""
        raw = self._conn
        assert isinstance(raw, FileConnection)
        return raw

    async def fold(self) -> Folding:
        """Move a lost log's content into the file, before the connection is abandoned."""
        return await self._on_thread(lambda: self._folded(self.raw))

    def _folded(self, raw: FileConnection) -> Folding:
        deadline = time.monotonic() + self._busy_timeout
        while (became := raw.fold()) is Folding.LATER and time.monotonic() < deadline:
            if self._closing.wait(random.uniform(*_RETRY_S)):  # noqa: S311 - no secret: jitter
                break
        return became

    async def abandon(self) -> None:
        """Close the underlying connection and leave the file as it is."""
        await self._on_thread(lambda: self.raw.abandon())

    async def open_again(self) -> None:
        """Connect again, if the connection was abandoned."""
        await self._on_thread(self._connect_again)

    def _connect_again(self) -> None:
        if self.raw.is_open:  # by a caller that was cancelled meanwhile
            return
        raw = connect_again(self._uri, self.path, self.raw)
        try:
            with GATE:
                self._settle(raw)
        except BaseException:
            raw.abandon()
            raise
        self._connection = raw

    # -- settings and close ------------------------------------------------------------------

    def set_contended(self, *, contended: bool) -> None:
        """Set whether another process may be waiting for the lock."""
        self._courtesy.contended = contended

    async def close(self) -> None:
        """Close; a wait for a lock ends at once.

        aiosqlite's own ``close`` cannot be cancelled: it always waits for its thread.
        """
        self._closing.set()
        if self._stopped is None and self._connection is not None:
            self.stop()
        if self._stopped is not None:
            await asyncio.wait([self._stopped], timeout=_CLOSE_TIMEOUT_S)

    def _finish(self, raw: FileConnection, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work in the transaction that is open and commit it, or roll it back and raise.

        Without a write-ahead log a reader prevents the commit while it reads.
        """
        try:
            raw.check_log_before_work()  # COMMIT may also fold the log, over the work of others
            result = work(raw)
            self._wait_for_lock(raw.execute, "COMMIT")
        except BaseException:
            # SQLite has already rolled back after some errors (a full disk, for one).
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        return result

    def _wait_for_lock(self, attempt: Callable[[*Ts], T], *args: *Ts) -> T:
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                return attempt(*args)
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
            if self._closing.wait(random.uniform(*_RETRY_S)):  # noqa: S311 - no secret: jitter
                return attempt(*args)


class InlineConnection(Connection):
    """A connection to a database in memory without a thread: each function runs at once, on the
    thread that calls.
    """

    def __await__(self) -> Generator[Any, None, aiosqlite.Connection]:
        return self._connect().__await__()

    async def _connect(self) -> aiosqlite.Connection:
        self._connection = self._connector()
        return self

    async def _execute(self, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return fn(*args, **options)

    async def _hop(self, function: Callable[[FileConnection], T]) -> T:
        """Run a function. There is no file to look at, and no fork to wait for."""
        self._refuse_closed()
        try:
            return _despite_damage(self.raw, function)
        except DRIVER_ERRORS as error:
            raise translated(error, self.path) from error

    def stop(self) -> None:
        """Close."""
        self._running = False
        if (raw := self._connection) is not None:
            self._connection = None
            raw.close()


def work_as_daemon(tasks: _TxQueue) -> None:
    """Work on a connection's thread as aiosqlite does, but log nothing, and go on where a caller
    cannot be answered any more: its loop may close before the disk answers, see
    ``Connection.close``, and the connection is still to be closed.
    """
    answer: Callable[..., None]
    while True:
        future, function = tasks.get()
        try:
            result = function()
            answer = set_result
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            result, answer = error, set_exception
        if future is not None:
            with suppress(RuntimeError):  # its loop is closed
                future.get_loop().call_soon_threadsafe(answer, future, result)
        if result is _STOP_RUNNING_SENTINEL:
            return
        del future, function, result  # the thread keeps nothing alive while it waits


async def hop(connection: aiosqlite.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    """Run a function on the thread of a user's connection, between its other calls.

    ``ConnectionError`` when the connection is closed, or not open yet.
    """
    raw = connection._connection
    if raw is None or not connection._running:
        raise ConnectionError("no active connection")
    result: T = await connection._execute(  # type: ignore[no-untyped-call] # aiosqlite's own
        lambda: function(raw)
    )
    return result


def _at_its_place(raw: FileConnection, function: Callable[[FileConnection], T]) -> T:
    """Run a function, after checking that the file is still at its place."""
    with GATE:
        raw.check_place()
        return _despite_damage(raw, function)


def _despite_damage(raw: FileConnection, function: Callable[[FileConnection], T]) -> T:
    """Run a function that leaves no transaction open; once more if a text is damaged.

    From then on this connection decodes texts in Python, which is slower: one damaged byte must not
    hide the other rows of a statement.
    """
    try:
        return function(raw)
    except sqlite3.OperationalError as error:
        if not is_undecodable(error):
            raise
    raw.text_factory = decoded
    return function(raw)


def decoded(text: bytes) -> str:
    """Decode a text of the database. A damaged one can be shown and stored, but is not JSON."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return "\N{REPLACEMENT CHARACTER}" + text.decode(errors="replace")


class Courtesy:
    """Pauses for other writers: without it they wait up to 1.4 s for a busy one."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.contended: bool = False
        self._clock = clock
        self._sleep = sleep
        self._in_a_row = 0
        self._last_commit = 0.0

    def before_begin(self) -> None:
        """Pause after too many commits without a gap."""
        if not self.contended:
            return
        if self._clock() - self._last_commit > _COURTESY_S:
            self._in_a_row = 0
        elif self._in_a_row >= _COMMITS_IN_A_ROW:
            self._in_a_row = 0
            self._sleep(_COURTESY_S)

    def after_commit(self) -> None:
        """Count a commit."""
        if self.contended:
            self._in_a_row += 1
            self._last_commit = self._clock()


def run_steps(connection: sqlite3.Connection, steps: Sequence[Step]) -> list[list[Row]]:
    """Run steps on the connection's thread; return the rows of each."""
    answers: list[list[Row]] = []
    for statement, params, rows in steps:
        if rows is None:
            answers.append(connection.execute(statement.sql, params).fetchall())
        else:
            _write_rows(connection, statement, rows)
            answers.append([])
    return answers


def _write_rows(connection: sqlite3.Connection, statement: Statement, rows: Sequence[Row]) -> None:
    """Write rows, many at a time where the statement has a list of values."""
    rest = 0
    if len(rows) >= _ROWS_AT_ONCE and (wide := _widened(statement)) is not None:
        rest = len(rows) // _ROWS_AT_ONCE * _ROWS_AT_ONCE
        starts = range(0, rest, _ROWS_AT_ONCE)
        many = [tuple(chain.from_iterable(rows[at : at + _ROWS_AT_ONCE])) for at in starts]
        connection.executemany(wide, many)
    connection.executemany(statement.sql, rows[rest:])


@lru_cache(maxsize=64)
def _widened(statement: Statement) -> str | None:
    """The statement with its row of ``VALUES``, which has all its parameters, many times; None if
    it has none.
    """
    found = _VALUES.search(statement.sql)
    if found is None or found["row"].count("?") != len(statement.parameters):
        return None
    row = found["row"]
    return statement.sql.replace(row, ", ".join([row] * _ROWS_AT_ONCE), 1)
