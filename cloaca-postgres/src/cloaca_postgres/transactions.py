"""Transactions of task bodies, each in a session of its own.

The connection refuses to commit by its methods and by the first word of a statement. A body that
ends its transaction in another way loses the savepoint that is made at the begin, and its attempt
fails. The body keeps the search path of its role and URL; only the record at the end is written
with that of the store, for the rest of the transaction.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

import psycopg
from psycopg import pq, sql
from psycopg.rows import tuple_row

from cloaca_core.errors import StoreUnavailableError
from cloaca_core.store.transactions import (
    CommitUnknownError,
    Recording,
    ended_by_body,
    not_by_body,
)
from cloaca_postgres.errors import one_line, translated
from cloaca_postgres.sessions.connecting import record_settings
from cloaca_postgres.sessions.dialing import KEEPALIVES
from cloaca_postgres.sessions.session import bound_texts
from cloaca_postgres.statements import STATEMENTS, step

if TYPE_CHECKING:
    from cloaca_core.store.sql.dialect import Step
    from cloaca_core.store.sql.queries import Row
    from cloaca_postgres.url import Target

_SPACE: Final = r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|;)*"
_ENDS: Final = re.compile(
    rf"{_SPACE}(?P<word>commit|end|abort|begin|start\s+transaction|prepare\s+transaction"
    rf"|rollback(?!{_SPACE}(?:work{_SPACE}|transaction{_SPACE})?to\b))\b",
    re.IGNORECASE | re.DOTALL,
)
"""Statements by which a body would end its transaction, or begin another."""


def _refuse_end(query: object) -> None:
    """Refuse a statement whose first word ends the transaction. Composed ones are looked at too."""
    if isinstance(query, sql.Composable):
        query = query.as_string()
    text = query.decode(errors="replace") if isinstance(query, bytes) else query
    if isinstance(text, str) and (found := _ENDS.match(text)) is not None:
        raise not_by_body(" ".join(found["word"].upper().split()))


class _Cursor(psycopg.Cursor[Any]):
    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        _refuse_end(query)
        return super().execute(query, *args, **options)


class _AsyncCursor(psycopg.AsyncCursor[Any]):
    async def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        _refuse_end(query)
        return await super().execute(query, *args, **options)


class BodyConnection(psycopg.Connection[Any]):
    """The connection of a body."""

    def commit(self) -> NoReturn:
        raise not_by_body("connection.commit()")

    def rollback(self) -> NoReturn:
        raise not_by_body("connection.rollback()")

    def close(self) -> NoReturn:
        raise not_by_body("connection.close()")

    def __enter__(self) -> NoReturn:
        raise not_by_body("`with connection:`, which commits")


class AwaitedConnection(psycopg.AsyncConnection[Any]):
    """The connection of an async body."""

    async def commit(self) -> NoReturn:
        raise not_by_body("connection.commit()")

    async def rollback(self) -> NoReturn:
        raise not_by_body("connection.rollback()")

    async def close(self) -> NoReturn:
        raise not_by_body("connection.close()")

    async def __aenter__(self) -> NoReturn:
        raise not_by_body("`async with connection:`, which commits")


class _Ending:
    """What both kinds of a transaction end by."""

    def __init__(self, place: str, settings: Step, pgconn: pq.abc.PGconn) -> None:
        self.place = place
        self._settings = settings
        self._pgconn = pgconn

    def steps(self, recording: Recording) -> list[Step]:
        """The statements before the commit: the savepoint must still be there."""
        return [step(STATEMENTS.body_returned), self._settings, *recording.steps]

    def counts(self, recording: Recording, answers: Sequence[Sequence[Row]]) -> bool:
        """Whether the success counts."""
        return recording.counts(answers[2:])

    def end_now(self) -> None:
        """Shut the socket down: the server rolls back when it reads that. A statement that it runs
        is cancelled.
        """
        with suppress(OSError, psycopg.Error):
            canceller = self._pgconn.get_cancel()
            with socket.socket(fileno=os.dup(self._pgconn.socket)) as wire:
                wire.shutdown(socket.SHUT_RDWR)
            threading.Thread(
                target=_cancel, args=(canceller,), name="cloaca-rollback", daemon=True
            ).start()

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Translate errors of statements: nothing was committed."""
        try:
            yield
        except psycopg.errors.InvalidSavepointSpecification as error:
            raise ended_by_body() from error
        except psycopg.errors.NoActiveSqlTransaction as error:
            raise ended_by_body() from error
        except psycopg.Error as error:
            raise translated(error, self.place) from error

    def unknown(self, error: psycopg.Error) -> Exception:
        """The error for a commit that has failed: the server's answer, or none."""
        if error.sqlstate is not None and not error.sqlstate.startswith(("08", "57")):
            return translated(error, self.place)
        return CommitUnknownError(f"{self.place}: a commit was not answered ({one_line(error)})")


def _cancel(canceller: pq.abc.PGcancel) -> None:
    with suppress(psycopg.Error):
        canceller.cancel()


class PostgresTransaction:
    """An open transaction of a body. Contracts: see ``BodyTransaction``."""

    def __init__(self, connection: BodyConnection, place: str, settings: Step) -> None:
        self.connection: BodyConnection = connection
        self._ending = _Ending(place, settings, connection.pgconn)
        self.end_now: Callable[[], None] = self._ending.end_now

    def commit(self, recording: Recording) -> bool:
        ending = self._ending
        try:
            with ending.translating():
                _refuse_idle(self.connection)
                answers = [self._run(each) for each in ending.steps(recording)]
            if not ending.counts(recording, answers):
                return False
            try:
                self._run(step(STATEMENTS.commit))
            except psycopg.Error as error:
                raise ending.unknown(error) from error
            return True
        finally:
            self.roll_back()

    def _run(self, each: Step) -> list[Row]:
        with psycopg.Cursor(self.connection, row_factory=tuple_row) as cursor:
            cursor.execute(each.statement.sql.encode(), bound_texts(each), prepare=False)
            return cursor.fetchall() if cursor.description else []

    def roll_back(self) -> None:
        with suppress(psycopg.Error):
            psycopg.Connection.close(self.connection)  # the server rolls back what is open


class AwaitedPostgresTransaction:
    """The same for a coroutine."""

    def __init__(self, connection: AwaitedConnection, place: str, settings: Step) -> None:
        self.connection: AwaitedConnection = connection
        self._ending = _Ending(place, settings, connection.pgconn)
        self.end_now: Callable[[], None] = self._ending.end_now

    async def commit(self, recording: Recording) -> bool:
        ending = self._ending
        try:
            with ending.translating():
                _refuse_idle(self.connection)
                answers = [await self._run(each) for each in ending.steps(recording)]
            if not ending.counts(recording, answers):
                return False
            try:
                await self._run(step(STATEMENTS.commit))
            except psycopg.Error as error:
                raise ending.unknown(error) from error
            return True
        finally:
            await self.roll_back()

    async def _run(self, each: Step) -> list[Row]:
        async with psycopg.AsyncCursor(self.connection, row_factory=tuple_row) as cursor:
            await cursor.execute(each.statement.sql.encode(), bound_texts(each), prepare=False)
            return await cursor.fetchall() if cursor.description else []

    async def roll_back(self) -> None:
        with suppress(psycopg.Error):
            await psycopg.AsyncConnection.close(self.connection)


def _refuse_idle(connection: BodyConnection | AwaitedConnection) -> None:
    """Refuse a transaction that is over, or has failed and was not rolled back to a savepoint."""
    match connection.info.transaction_status:
        case pq.TransactionStatus.IDLE:
            raise ended_by_body()
        case pq.TransactionStatus.UNKNOWN:
            raise psycopg.OperationalError("the connection is lost")
        case _:
            pass


class PostgresTransactions:
    """Opens transactions in the database of a target. Contracts: see ``Transactions``."""

    excludes_writers: bool = False
    refusal: str | None = None

    def __init__(self, target: Target, schema: str, timeout: float) -> None:
        self._place = target.place
        self._settings = step(STATEMENTS.enter_transaction, **record_settings(schema))
        self._prepares = None if target.pooler else 5
        self._conninfo = target.conninfo(
            **KEEPALIVES,
            connect_timeout=max(1, round(timeout)),
            fallback_application_name="cloaca",
        )

    def begin(self) -> PostgresTransaction:
        with self._translating():
            connection = BodyConnection.connect(
                self._conninfo, cursor_factory=_Cursor, prepare_threshold=self._prepares
            )
        transaction = PostgresTransaction(connection, self._place, self._settings)
        try:
            with self._translating():
                transaction._run(step(STATEMENTS.body_begins))
        except BaseException:
            transaction.roll_back()
            raise
        return transaction

    async def begin_awaited(self) -> AwaitedPostgresTransaction:
        with self._translating():
            connection = await AwaitedConnection.connect(
                self._conninfo, cursor_factory=_AsyncCursor, prepare_threshold=self._prepares
            )
        transaction = AwaitedPostgresTransaction(connection, self._place, self._settings)
        try:
            with self._translating():
                await transaction._run(step(STATEMENTS.body_begins))
        except BaseException:
            await transaction.roll_back()
            raise
        return transaction

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if error.sqlstate is None:
                message = f"{self._place}: no connection for a body ({one_line(error)})"
                raise StoreUnavailableError(message) from error
            raise translated(error, self._place) from error
