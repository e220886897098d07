"""Writes runs and messages in the caller's own transaction, on the caller's own connection.

Each step is one statement that names its tables with their schema, so that no setting of that
connection is changed, not even for a moment: other code may use it in between.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from weakref import WeakSet

import psycopg
from psycopg import pq, sql
from psycopg.rows import tuple_row

from cloaca_core.errors import StoreDataError, StoreUnavailableError
from cloaca_core.run.rows import NewRun
from cloaca_core.store.messages import NewMessage, Sent
from cloaca_core.store.outbox import delivered, unusable, wrong_type
from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, Statement, load_statements
from cloaca_core.values.times.instants import SECOND
from cloaca_postgres.errors import translated
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.statements import WORDING, step
from cloaca_postgres.wakeups.announcements import channel_of, since

_SYNC: Final = "a psycopg.Connection"
_EITHER: Final = "a psycopg.Connection or a psycopg.AsyncConnection"
_SENDER: Final = "outbox"
"""Not a runner's name, so that every runner reacts to the message."""
_TOLD_APART: Final = SECOND // 10
"""µs. The runs that a transaction submits within such an interval have one message, as the server
drops equal ones. It says since when they are claimable, as the commit may come much later.
"""

_Connection: TypeAlias = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]
_T = TypeVar("_T")
_Work: TypeAlias = Generator[Step, list[Row], _T]
"""Yields statements to run, one by one, and returns what came of them."""


class _Statements(NamedTuple):
    """The statements of ``outbox.sql``."""

    identity: Statement
    add_run: Statement
    wait_for_key: Statement
    find_holder: Statement
    add_message: Statement
    message_sent: Statement
    begin: Statement
    commit: Statement
    savepoint: Statement
    release: Statement
    undo: Statement
    rollback: Statement


class _Frame(NamedTuple):
    """The statements that make several others one unit, by the connection's transaction state."""

    begin: Sequence[Step]
    keep: Sequence[Step]
    undo: Sequence[Step]


class PostgresOutbox:
    """The outbox of one schema. Contracts: see ``Outbox``. Who notes the same queue would wait for
    the end of the user's transaction.
    """

    notes_queues: bool = False

    def __init__(self, place: str, schema: str) -> None:
        self._place = place
        self._channel = channel_of(schema)
        self._statements = s = _load(schema)
        self._alone = _Frame((), (), ())
        self._begun_alone = _Frame((step(s.begin),), (step(s.commit),), (step(s.rollback),))
        self._begun_by_us = _Frame((), (), (step(s.rollback),))
        self._nested = _Frame(
            (step(s.savepoint),), (step(s.release),), (step(s.undo), step(s.release))
        )
        self._identity: Row = ()
        self._ours: WeakSet[_Connection] = WeakSet()

    async def identify(self, session: Session, timeout: float) -> None:
        """Read the identity of the runner's database."""
        ((self._identity,),) = await session.run([step(self._statements.identity)], timeout)

    def submit(self, connection: object, run: NewRun, message: NewMessage | None = None) -> str:
        alone = self._alone if message is None else self._begun_alone
        return self._do(connection, alone, lambda frame: self._submission(frame, run, message))

    async def submit_awaited(
        self, connection: object, run: NewRun, message: NewMessage | None = None
    ) -> str:
        alone = self._alone if message is None else self._begun_alone
        return await self._do_awaited(
            connection, alone, lambda frame: self._submission(frame, run, message)
        )

    def send(self, connection: object, message: NewMessage) -> Sent | None:
        return self._do(connection, self._alone, lambda _: self._sending(message))

    async def send_awaited(self, connection: object, message: NewMessage) -> Sent | None:
        return await self._do_awaited(connection, self._alone, lambda _: self._sending(message))

    def _do(self, connection: object, alone: _Frame, work: Callable[[_Frame], _Work[_T]]) -> _T:
        """Do the work as one unit, in the frame ``alone`` on a connection that commits itself."""
        if not isinstance(connection, psycopg.Connection):
            raise wrong_type(_SYNC, connection)
        _refuse_unusable(connection)
        with connection.lock:  # another thread may be running a statement
            frame = self._frame(connection, alone)
        unit = self._unit(connection, frame, work(frame))
        with self._translating(), psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
            return _run(unit, cursor)

    async def _do_awaited(
        self, connection: object, alone: _Frame, work: Callable[[_Frame], _Work[_T]]
    ) -> _T:
        if isinstance(connection, psycopg.Connection):
            return self._do(connection, alone, work)
        if not isinstance(connection, psycopg.AsyncConnection):
            raise wrong_type(_EITHER, connection)
        _refuse_unusable(connection)
        async with connection.lock:  # so may another asyncio task
            frame = self._frame(connection, alone)
        unit = self._unit(connection, frame, work(frame))
        cursor = psycopg.AsyncCursor(connection, row_factory=tuple_row)
        with self._translating():
            async with cursor:
                return await _run_awaited(unit, cursor)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            raise translated(error, self._place) from error
        except UnicodeEncodeError as error:
            raise StoreDataError(
                f"{self._place}: a value has no form in the client_encoding of the connection"
            ) from error

    # -- statements to run -------------------------------------------------------------------

    def _frame(self, connection: _Connection, alone: _Frame) -> _Frame:
        match connection.info.transaction_status:
            case pq.TransactionStatus.INTRANS:
                return self._nested
            case pq.TransactionStatus.IDLE:
                return alone if connection.autocommit else self._begun_by_us
            case pq.TransactionStatus.INERROR:
                raise unusable("is in a transaction that has failed: roll it back first")
            case pq.TransactionStatus.ACTIVE:
                raise unusable("is in the middle of another statement")
            case _:
                raise unusable("is closed")

    def _unit(self, connection: _Connection, frame: _Frame, work: _Work[_T]) -> _Work[_T]:
        """The work as one unit, after a look at whose database it is."""
        yield from _each(frame.begin)
        try:
            if connection not in self._ours:
                yield from self._verify()
            result = yield from work
            yield from _each(frame.keep)
        except BaseException:
            with suppress(psycopg.Error):  # the connection is lost, and the transaction with it
                yield from _each(frame.undo)
            raise
        self._ours.add(connection)
        return result

    def _verify(self) -> Generator[Step, list[Row], None]:
        """Raise unless the database is the runner's."""
        elsewhere = unusable(f"leads to another database than that of this runner, {self._place}")
        try:
            found = yield step(self._statements.identity)
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
            raise elsewhere from error
        if found != [self._identity]:
            raise elsewhere

    def _submission(self, frame: _Frame, run: NewRun, message: NewMessage | None) -> _Work[str]:
        """Insert the run, and send the message to the run that has its key now; the id of that."""
        run_id, number = yield from self._insertion(run)
        if number is not None and frame is not self._alone:
            run_id = yield from self._insertion_after_batches(frame, run, number)
        if message is not None:
            addressed = message._replace(run_id=run_id)
            sending = self._sending(addressed, is_act=run_id != run.id)
            delivered(addressed, (yield from sending))
        return run_id

    def _insertion_after_batches(self, frame: _Frame, run: NewRun, number: int) -> _Work[str]:
        """Insert again, after the batch that holds the key's lock has ended.

        Otherwise the runner's batch would wait for this transaction. If another program holds the
        lock, wait for one second only.
        """
        yield from _each(frame.undo)
        yield from _each(frame.begin)
        try:
            yield step(self._statements.wait_for_key, number=number)
        except psycopg.errors.LockNotAvailable:
            yield from _each(frame.undo)
            yield from _each(frame.begin)
        run_id, _ = yield from self._insertion(run)
        return run_id

    def _insertion(self, run: NewRun) -> Generator[Step, list[Row], tuple[str, int | None]]:
        """Insert the run, unless its key is taken.

        Returns the id of the run with this key, and the number of the key's lock if another
        transaction holds that.
        """
        add_run, find_holder = self._statements.add_run, self._statements.find_holder
        told = since(run.created_at // _TOLD_APART * _TOLD_APART)
        values = {**run._asdict(), "channel": self._channel, "sender": f"{_SENDER} {told}"}
        added = yield Step.of(add_run, values)
        if added:
            ((_, _, had, number),) = added
            return run.id, None if had else number
        # A separate statement: it sees what was committed while the insert waited.
        holders = yield step(
            find_holder, workflow=run.workflow, idempotency_key=run.idempotency_key
        )
        if not holders:
            raise StoreUnavailableError(
                f"{self._place}: the run that has this key is being deleted; try again"
            )
        return str(holders[0][0]), None

    def _sending(self, message: NewMessage, *, is_act: bool = True) -> _Work[Sent | None]:
        """Add the message, unless its run has ended or its key is taken. It is an act unless it is
        the first message of a run that was inserted with it.
        """
        values = {**message._asdict(), "channel": self._channel, "sender": _SENDER}
        values["is_act"] = int(is_act)
        if added := (yield Step.of(self._statements.add_message, values)):
            return Sent(str(added[0][0]), 0, changed=True)
        # A separate statement, as for the holder of a key.
        if not (found := (yield Step.of(self._statements.message_sent, values))):
            return None
        ((status, number),) = found
        return Sent(status, number, changed=False, refusal="ended" if number is None else "")


def _each(steps: Sequence[Step]) -> Generator[Step, list[Row], None]:
    for each in steps:  # noqa: UP028 - ``yield from`` cannot send into a tuple's iterator
        yield each


def _run(work: _Work[_T], cursor: psycopg.Cursor[Row]) -> _T:
    asked = next(work)
    try:
        while True:
            try:
                cursor.execute(asked.statement.sql.encode(), asked.params)
                rows = cursor.fetchall() if cursor.description else []
            except BaseException as error:  # noqa: BLE001 - raised again when all is undone
                asked = work.throw(error)
            else:
                asked = work.send(rows)
    except StopIteration as done:
        result: _T = done.value
        return result


async def _run_awaited(work: _Work[_T], cursor: psycopg.AsyncCursor[Row]) -> _T:
    asked = next(work)
    try:
        while True:
            try:
                await cursor.execute(asked.statement.sql.encode(), asked.params)
                rows = await cursor.fetchall() if cursor.description else []
            except BaseException as error:  # noqa: BLE001 - raised again when all is undone
                asked = work.throw(error)
            else:
                asked = work.send(rows)
    except StopIteration as done:
        result: _T = done.value
        return result


def _refuse_unusable(connection: _Connection) -> None:
    if connection.closed:
        raise unusable("is closed")
    if connection.info.pipeline_status != pq.PipelineStatus.OFF:
        raise unusable("is in pipeline mode, which tells of a failure too late: leave that first")


def _load(schema: str) -> _Statements:
    """The statements with the name of the schema in them."""
    quoted = sql.Identifier(schema).as_string().replace("%", "%%")
    loaded = load_statements(
        [package_files(__package__).joinpath("outbox.sql").read_text("utf-8")],
        required=_Statements._fields,
        wording=WORDING,
    )
    placed = {
        name: replace(statement, sql=statement.sql.replace("{schema}", quoted))
        for name, statement in loaded.items()
    }
    return _Statements(**placed)
