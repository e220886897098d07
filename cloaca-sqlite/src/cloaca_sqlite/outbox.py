"""Writes runs and messages in the caller's own transaction, on the caller's own connection to the
file.

The owner of that connection decides how it begins transactions, converts rows and texts, and which
other tables it has; nothing but the run or the message is changed.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import aiosqlite

from cloaca_core.errors import StoreUnavailableError
from cloaca_core.run.rows import NewRun
from cloaca_core.store.messages import NewMessage, Sent
from cloaca_core.store.outbox import delivered, unusable, wrong_type
from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.payloads import LONGEST_IN_ROW
from cloaca_core.store.sql.queries import Statement, load_statements
from cloaca_sqlite.driver import WORDING, hop
from cloaca_sqlite.errors import DRIVER_ERRORS, translated
from cloaca_sqlite.files.file_connection import HARD_LINK
from cloaca_sqlite.url import MEMORY

_T = TypeVar("_T")
_SYNC: Final = "a sqlite3.Connection"
_EITHER: Final = "a sqlite3.Connection or an aiosqlite.Connection"
_BEGIN: Final = {
    "": "BEGIN",
    "DEFERRED": "BEGIN DEFERRED",
    "IMMEDIATE": "BEGIN IMMEDIATE",
    "EXCLUSIVE": "BEGIN EXCLUSIVE",
}
_UNDO_SAVEPOINT: Final[tuple[str, ...]] = ("ROLLBACK TO cloaca_submit", "RELEASE cloaca_submit")
_UNDO_ALL: Final[tuple[str, ...]] = ("ROLLBACK",)
_BY_ISOLATION_LEVEL: Final = -1
"""``sqlite3.LEGACY_TRANSACTION_CONTROL``, which came with ``autocommit`` in Python 3.12."""


class _Statements(NamedTuple):
    """The statements of ``outbox.sql``."""

    add_run: Statement
    note_queue: Statement
    add_input: Statement
    add_tag: Statement
    note_submission: Statement
    find_holder: Statement
    add_message: Statement
    note_message: Statement
    message_sent: Statement


_STATEMENTS: Final = _Statements(
    **load_statements(
        [package_files(__package__).joinpath("outbox.sql").read_text("utf-8")],
        required=_Statements._fields,
        wording=WORDING,
    )
)
_RUN_ROW: Final = _STATEMENTS.add_run.binder(NewRun._fields)


class SqliteOutbox:
    """The outbox of the database at ``path``. Contracts: see ``Outbox``. A transaction that writes
    locks out all others, so that none waits for the name of a queue in particular.
    """

    notes_queues: bool = True

    def __init__(self, path: str) -> None:
        self._path = path

    def submit(self, connection: object, run: NewRun, message: NewMessage | None = None) -> str:
        return self._do(connection, lambda raw: _submitted(raw, run, message))

    async def submit_awaited(
        self, connection: object, run: NewRun, message: NewMessage | None = None
    ) -> str:
        return await self._do_awaited(connection, lambda raw: _submitted(raw, run, message))

    def send(self, connection: object, message: NewMessage) -> Sent | None:
        return self._do(connection, lambda raw: _sent(raw, message))

    async def send_awaited(self, connection: object, message: NewMessage) -> Sent | None:
        return await self._do_awaited(connection, lambda raw: _sent(raw, message))

    def _do(self, connection: object, work: Callable[[sqlite3.Connection], _T]) -> _T:
        if not isinstance(connection, sqlite3.Connection):
            raise wrong_type(_SYNC, connection)
        return self._write(connection, work)

    async def _do_awaited(self, connection: object, work: Callable[[sqlite3.Connection], _T]) -> _T:
        if isinstance(connection, sqlite3.Connection):
            return self._write(connection, work)
        if not isinstance(connection, aiosqlite.Connection):
            raise wrong_type(_EITHER, connection)
        try:
            return await hop(connection, lambda raw: self._write(raw, work))
        except ConnectionError as error:
            raise unusable("is closed, or not open yet") from error

    def _write(self, raw: sqlite3.Connection, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Do the work as one unit, on the connection's thread."""
        try:
            self._refuse_elsewhere(raw)
            with _unit(raw):
                return work(raw)
        except sqlite3.ProgrammingError as error:  # closed, or of another thread
            raise unusable(f"cannot be used: {error}") from error
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def _refuse_elsewhere(self, raw: sqlite3.Connection) -> None:
        if self._path == MEMORY:
            raise unusable(
                "cannot lead to the database of this runner, which is in memory (:memory:), "
                "where no other connection can reach it; open the runner on a file"
            )
        file = _main_file(raw)
        if not _is_same_file(self._path, file):
            raise unusable(
                f"leads to another database than that of this runner, {self._path}"
                " (a file that is only attached does not count: its commit is one of its own)"
            )
        if Path(file).stat().st_nlink > 1:
            raise unusable(f"may lead to it by another name, {file}: {HARD_LINK}")


def _main_file(raw: sqlite3.Connection) -> str:
    """The file that a connection was opened on; "" for one in memory."""
    cursor = raw.cursor()
    cursor.row_factory = None
    for _, name, file in cursor.execute("PRAGMA database_list"):
        if os.fsdecode(name) == "main":
            return os.fsdecode(file)
    return ""


def _is_same_file(path: str, other: str) -> bool:
    """Compare files by identity, not by name. ``stat`` does not affect SQLite's locks."""
    try:
        return bool(other) and Path(path).samefile(other)
    except OSError:  # one of them is gone
        return False


def _submitted(raw: sqlite3.Connection, run: NewRun, message: NewMessage | None) -> str:
    """Write a run, and send the message to the run that has its key now; the id of that."""
    run_id = _written(raw, run)
    if message is not None:
        addressed = message._replace(run_id=run_id)
        delivered(addressed, _sent(raw, addressed, is_act=run_id != run.id))
    return run_id


def _written(raw: sqlite3.Connection, run: NewRun) -> str:
    """Write a run, unless its key is taken; return the id of the run with this key."""
    add_run, note_queue, add_input, add_tag, note, find_holder, *_ = _STATEMENTS
    is_long = len(run.input) > LONGEST_IN_ROW
    cursor = raw.cursor()
    cursor.row_factory = None
    cursor.execute(add_run.sql, _RUN_ROW(run._replace(input="") if is_long else run))
    if cursor.rowcount:
        if run.asked_queue is not None:
            cursor.execute(note_queue.sql, Step.of(note_queue, run._asdict()).params)
        if is_long:
            cursor.execute(add_input.sql, add_input.bind(run_id=run.id, content=run.input))
        tags = [(run.id, tag, content) for tag, content in json.loads(run.tags).items()]
        cursor.executemany(add_tag.sql, tags)
        if run.asked_by is not None:
            cursor.execute(note.sql, Step.of(note, run._asdict()).params)
        return run.id
    key = find_holder.bind(workflow=run.workflow, idempotency_key=run.idempotency_key)
    if (found := cursor.execute(find_holder.sql, key).fetchone()) is None:
        raise StoreUnavailableError("the run that has this key is being deleted; try again")
    return bytes(found[0]).decode()


def _sent(raw: sqlite3.Connection, message: NewMessage, *, is_act: bool = True) -> Sent | None:
    """Write a message, unless its run has ended or its key is taken. It is an act unless it is the
    first message of a run that was written with it.
    """
    values, q = message._asdict(), _STATEMENTS
    add, noted, found = [
        Step.of(each, values) for each in (q.add_message, q.note_message, q.message_sent)
    ]
    cursor = raw.cursor()
    cursor.row_factory = None
    changed = bool(cursor.execute(add.statement.sql, add.params).rowcount)
    if changed and is_act:
        cursor.execute(noted.statement.sql, noted.params)
    if (row := cursor.execute(found.statement.sql, found.params).fetchone()) is None:
        return None
    status, number = row
    refusal = "ended" if number is None else ""
    return Sent(bytes(status).decode(), number, changed=changed, refusal=refusal)


@contextmanager
def _unit(raw: sqlite3.Connection) -> Iterator[None]:
    """Make statements atomic, in the open transaction or in one that a statement would begin.

    The latter is committed here only on a connection that would commit it itself.
    """
    if raw.in_transaction:
        begin, keep, undo = "SAVEPOINT cloaca_submit", "RELEASE cloaca_submit", _UNDO_SAVEPOINT
    elif _commits_itself(raw):
        begin, keep, undo = "BEGIN IMMEDIATE", "COMMIT", _UNDO_ALL
    else:
        begin, keep, undo = _BEGIN[(raw.isolation_level or "").upper()], None, _UNDO_ALL
    raw.execute(begin)
    try:
        yield
        if keep is not None:
            raw.execute(keep)
    except BaseException:
        # SQLite has already rolled back everything after some errors (a full disk, for one).
        if raw.in_transaction:
            for statement in undo:
                raw.execute(statement)
        raise


def _commits_itself(raw: sqlite3.Connection) -> bool:
    """True when the connection commits a statement outside of a transaction at once."""
    autocommit = getattr(raw, "autocommit", _BY_ISOLATION_LEVEL)
    if autocommit == _BY_ISOLATION_LEVEL:
        return raw.isolation_level is None
    return bool(autocommit)
