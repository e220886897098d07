"""One connection: a whole transaction in one hop to aiosqlite's thread.

This is the only module that touches what aiosqlite keeps to itself, and the only one that waits
for SQLite's locks. It knows nothing of tables.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import aiosqlite

from cloaca_core.errors import StoreError, StoreOpenError
from cloaca_core.store.dialect import Step
from cloaca_core.store.queries import Row
from cloaca_sqlite.errors import DRIVER_ERRORS, is_busy, is_undecodable, translated
from cloaca_sqlite.fork_gate import GATE
from cloaca_sqlite.open_files import OPEN_FILES, FileId, file_id, is_elsewhere
from cloaca_sqlite.url import MEMORY

T = TypeVar("T")

_RETRY_S = (0.0002, 0.001)
"""Between two tries for a lock: shorter than a courtesy pause, so that a waiter finds it."""
_COURTESY_S = 0.001
_COMMITS_IN_A_ROW = 4
"""A busy writer that others wait for pauses for ``_COURTESY_S`` after so many commits."""
_CLOSE_TIMEOUT_S = 2.0
"""How long ``close`` waits for a disk that does not answer; the thread is a daemon."""
_CACHED_STATEMENTS = 128


class Connection(aiosqlite.Connection):
    """An aiosqlite connection that runs functions and step lists, each in one hop.

    Its thread is a daemon: a connection that nobody closed must not keep the process alive.
    """

    def __init__(self, uri: str, *, path: str, busy_timeout: float) -> None:
        super().__init__(lambda: _connect(uri, path), iter_chunk_size=64)
        self._thread.daemon = True
        self._path = path
        self._busy_timeout = busy_timeout
        self._closing = threading.Event()
        self._courtesy = Courtesy()
        self._stopped: asyncio.Future[object] | None = None

    async def open(self) -> None:
        """Start the thread and open the file."""
        try:
            await self
        except BaseException as error:
            # aiosqlite stops its thread but does not wait for it; the thread would answer to a
            # loop that may be closed by then, with a traceback on stderr.
            if self._stopped is not None:
                await self._stopped
            if isinstance(error, DRIVER_ERRORS):
                raise translated(error, self._path) from error
            raise

    def stop(self) -> asyncio.Future[object] | None:
        """Tell the thread to close and end; the future is done when it has."""
        self._stopped = super().stop()
        return self._stopped

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function on the connection's thread, again and again while SQLite is busy."""
        # A closure: aiosqlite logs what it runs, and a partial's repr would show its arguments.
        return await self._hop(lambda raw: self._wait_for_lock(lambda: function(raw)))

    async def transact(
        self,
        work: Callable[[sqlite3.Connection], T],
        landed: Callable[[T], None] | None = None,
    ) -> T:
        """Run a function in one immediate transaction. ``landed`` is called on the connection's
        thread, with the function's result, once that is durable.
        """

        def transaction(raw: sqlite3.Connection) -> T:
            self._courtesy.before_begin()
            self._wait_for_lock(lambda: raw.execute("BEGIN IMMEDIATE"))
            result = self._finish(raw, work)
            self._courtesy.after_commit()
            if landed is not None:
                landed(result)
            return result

        return await self._hop(transaction)

    async def _hop(self, function: Callable[[sqlite3.Connection], T]) -> T:
        if self._closing.is_set():
            raise StoreError(f"{self._path}: the store is closed", database=self._path)
        raw = self._conn
        assert isinstance(raw, _Raw)

        def work() -> T:
            with GATE:
                raw.check_place()
                return _despite_damage(raw, function)

        try:
            result: T = await self._execute(work)  # type: ignore[no-untyped-call] # aiosqlite's own
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        return result

    def set_contended(self, *, contended: bool) -> None:
        """Whether somebody else may be waiting for the lock."""
        self._courtesy.contended = contended

    async def close(self) -> None:
        """Close; a wait for a lock that is under way ends at once.

        aiosqlite's own ``close`` cannot be given up: it waits for its thread even when cancelled.
        """
        self._closing.set()
        if self._stopped is None and self._connection is not None:
            self.stop()
        if self._stopped is not None:
            await asyncio.wait([self._stopped], timeout=_CLOSE_TIMEOUT_S)

    def _finish(self, raw: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        """Work in the transaction that is open and commit it, or roll it back and raise.

        Without a write-ahead log, what reads at that moment keeps it from being committed.
        """
        try:
            result = work(raw)
            self._wait_for_lock(lambda: raw.execute("COMMIT"))
        except BaseException:
            # SQLite has already rolled back after some errors (a full disk, for one).
            if raw.in_transaction:
                raw.execute("ROLLBACK")
            raise
        return result

    def _wait_for_lock(self, attempt: Callable[[], T]) -> T:
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                return attempt()
            except sqlite3.OperationalError as error:
                if not is_busy(error) or time.monotonic() >= deadline:
                    raise
            if self._closing.wait(random.uniform(*_RETRY_S)):  # noqa: S311 - no secret: jitter
                return attempt()


async def hop(connection: aiosqlite.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    """Run a function on the thread of somebody else's connection, between its other calls.

    ``ConnectionError`` when that is closed, or not open yet.
    """
    raw = connection._connection
    if raw is None or not connection._running:
        raise ConnectionError("no active connection")
    result: T = await connection._execute(  # type: ignore[no-untyped-call] # aiosqlite's own
        lambda: function(raw)
    )
    return result


def _despite_damage(raw: sqlite3.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    """Run a function that leaves no transaction open; once more where a text is damaged.

    From then on this connection decodes texts in Python, which takes longer: one damaged byte must
    not hide all other rows that a statement answers.
    """
    try:
        return function(raw)
    except sqlite3.OperationalError as error:
        if not is_undecodable(error):
            raise
    raw.text_factory = decoded
    return function(raw)


def decoded(text: bytes) -> str:
    """A text of the database. One that is damaged can be shown and stored, and is no JSON."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return "\N{REPLACEMENT CHARACTER}" + text.decode(errors="replace")


class Courtesy:
    """Makes room for other writers: without it one waits up to 1.4 s for a busy neighbour."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.contended = False
        self._clock = clock
        self._sleep = sleep
        self._in_a_row = 0
        self._last_commit = 0.0

    def before_begin(self) -> None:
        """Pause when too many commits came without a gap."""
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
    """The rows of each step; for use on the connection's thread."""
    answers: list[list[Row]] = []
    for statement, params, rows in steps:
        if rows is None:
            answers.append(connection.execute(statement.sql, params).fetchall())
        else:
            connection.executemany(statement.sql, rows)
            answers.append([])
    return answers


class _Raw(sqlite3.Connection):
    """Stands among the open files until it is closed. ``place`` is the path of ``file`` without
    symbolic links.
    """

    file: FileId | None = None
    place: Path

    def check_place(self) -> None:
        """Refuse to go on with a file that nobody will find again. SQLite would not notice."""
        if self.file is not None and is_elsewhere(self.file, self.place):
            raise StoreError(
                f"{self.place}: the file was deleted, moved or replaced while it was open, and what"
                " is written now would be lost: put it back before this runner is shut down (what"
                " was committed last is still in the -wal file beside it)",
                database=str(self.place),
            )

    def close(self) -> None:
        """Close it, apart from any fork."""
        with GATE:
            super().close()
            if self.file is not None:
                OPEN_FILES.remove(self.file)
                self.file = None


def _connect(uri: str, path: str) -> _Raw:
    """Open it, apart from any fork, unless it is a file that is inherited from one."""
    is_file = path != MEMORY
    with GATE:
        if is_file:
            _refuse_inherited(path)
        raw = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            timeout=0,
            cached_statements=_CACHED_STATEMENTS,
            factory=_Raw,
        )
        if is_file and (file := file_id(path)) is not None:
            OPEN_FILES.add(file)
            raw.file, raw.place = file, Path(path).resolve()
    return raw


def _refuse_inherited(path: str) -> None:
    if (file := file_id(path)) is not None and OPEN_FILES.is_inherited(file):
        raise StoreOpenError(
            f"{path} was open in the process that this one was forked from, and SQLite would take"
            " the locks of that one for its own: open it after forking only, in each process, or"
            " start this process with the method 'spawn'",
            database=path,
        )
