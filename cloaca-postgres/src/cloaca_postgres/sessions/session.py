"""One session: a whole transaction in one pipeline, one round trip.

Speaks libpq's pipeline mode directly: statements between two synchronisation points are one
transaction, which the server commits at the second one or undoes at the first error. A session
listens to its socket all the time, so that its loss is noticed at once and not at the next use. It
knows nothing of tables, and is not used again after an error of the connection itself.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result

from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, Statement
from cloaca_postgres.errors import translated
from cloaca_postgres.sessions.values import array_of, text_of

_PLACEHOLDER: Final = re.compile(r"%([s%])")
_Params = list[bytes | None]


class Wire(Protocol):
    """The part of an open ``psycopg.Connection`` that is used here."""

    @property
    def pgconn(self) -> pq.abc.PGconn:
        """libpq's connection."""

    def close(self) -> None:
        """Close it."""


class Session:
    """A connection that runs transactions, in the order in which they are given.

    Belongs to the loop that made it. ``lost`` is called once, when it becomes unusable.
    ``prepares`` False and ``begin_with`` are for a pooler that may run each transaction in another
    of the server's sessions.
    """

    def __init__(self, wire: Wire, *, place: str, prepares: bool = True) -> None:
        self.lost: Callable[[], None] = _nothing
        self.freed: Callable[[], None] = _nothing
        self.notified: Callable[[str], None] = _ignore
        self._wire = wire
        self._pg = wire.pgconn
        self._place = place
        self._prepares = prepares
        self._prelude: list[tuple[Statement, _Params]] = []
        self._prepared: dict[str, _Numbered] = {}
        self._exchanges: deque[_Exchange] = deque()
        self._loop = asyncio.get_running_loop()
        self._transformer = Transformer(wire)  # type: ignore[arg-type] # a psycopg.Connection
        self._writing = False
        self.closed: bool = False
        self.is_busy: bool = False
        self.backend_pid: int = self._pg.backend_pid
        """The id of the server's process, from the connection's start."""
        self._pg.nonblocking = 1
        self._pg.enter_pipeline_mode()
        self._socket = self._pg.socket
        self._loop.add_reader(self._socket, self._on_readable)

    def begin_with(self, prelude: Sequence[Step]) -> None:
        """Run these steps first in each transaction."""
        self._prelude = [(step.statement, _bound(step)) for step in prelude]

    async def run(
        self, steps: Sequence[Step], deadline: float, *, begun: bool = False
    ) -> list[list[Row]]:
        """Run one transaction, or a part of one ``begun`` in an earlier call; each step's rows.

        When the answer takes longer than ``deadline`` seconds, the session is given up: whether the
        server completes the transaction is not known. While the server works for a caller who was
        cancelled the session ``is_busy``; ``freed`` is called when it is so no more.
        """
        bound = [(step.statement, _bound(step)) for step in steps]
        if self.closed:
            raise StoreUnavailableError(f"{self._place}: the connection was lost")
        prelude = [] if begun else self._prelude
        exchange = self._send(prelude + bound)
        timer = self._loop.call_later(deadline, self._expire, deadline)
        try:
            return (await exchange.answer)[len(prelude) :]
        except asyncio.CancelledError:
            self._let_end(exchange, deadline)
            raise
        finally:
            timer.cancel()

    async def cancel(self, deadline: float) -> None:
        """Ask the server to end the running statement, which then fails.

        If the request cannot be sent, the statement goes on. After ``deadline`` seconds, or when
        this call is cancelled, the session is given up: a late request could end a later statement.
        """
        asking = asyncio.ensure_future(asyncio.to_thread(self._pg.get_cancel().cancel))
        try:
            done, _ = await asyncio.wait([asking], timeout=deadline)
        except asyncio.CancelledError:
            self.close()
            raise
        if not done:
            self._expire(deadline)
        elif (error := asking.exception()) is not None and not isinstance(error, psycopg.Error):
            raise error

    def close(self) -> None:
        """Close the connection; callers that wait for an answer get an error."""
        self._give_up(StoreUnavailableError(f"{self._place}: the connection was closed"))

    # -- send --------------------------------------------------------------------------------

    def _send(self, bound: Sequence[tuple[Statement, _Params]]) -> _Exchange:
        exchange = _Exchange(self._loop.create_future(), [], [])
        self._exchanges.append(exchange)
        try:
            for statement, params in bound:
                self._send_one(exchange, statement, params)
            self._pg.pipeline_sync()
            self._flush()
        except psycopg.Error as error:
            self._give_up(translated(error, self._place), error)
        return exchange

    def _send_one(self, exchange: _Exchange, statement: Statement, params: _Params) -> None:
        numbered = self._prepared.get(statement.name)
        if numbered is None:
            numbered = _numbered(statement)
            if self._prepares:
                self._pg.send_prepare(numbered.name, numbered.sql)
                exchange.sent.append(statement.name)
                self._prepared[statement.name] = numbered
        params = list(map(params.__getitem__, numbered.indexes))
        if self._prepares:
            self._pg.send_query_prepared(numbered.name, params)
        else:
            self._pg.send_query_params(numbered.sql, params)
        exchange.sent.append(None)

    def _flush(self) -> None:
        unsent = bool(self._pg.flush())
        if unsent and not self._writing:
            self._loop.add_writer(self._socket, self._on_writable)
        elif self._writing and not unsent:
            self._loop.remove_writer(self._socket)
        self._writing = unsent

    def _on_writable(self) -> None:
        try:
            self._flush()
        except psycopg.Error as error:
            self._give_up(translated(error, self._place), error)

    # -- receive -----------------------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            self._pg.consume_input()
            while self._exchanges and not self._pg.is_busy():
                self._accept(self._pg.get_result())
            while (notice := self._pg.notifies()) is not None:
                self.notified(notice.extra.decode())
            if self._writing:
                self._flush()
        except psycopg.Error as error:
            self._give_up(translated(error, self._place), error)

    def _accept(self, result: pq.abc.PGresult | None) -> None:
        if result is None:
            if self._pg.status == pq.ConnStatus.BAD:
                raise psycopg.OperationalError("the server closed the connection")
            return  # between two statements
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            self._finish(self._exchanges.popleft())
        else:
            self._exchanges[0].results.append(result)

    def _finish(self, exchange: _Exchange) -> None:
        """Answer a transaction that has ended."""
        if (failed := exchange.failed()) is not None:
            for name in exchange.not_prepared():
                del self._prepared[name]
            error = error_from_result(failed)
            exchange.refuse(translated(error, self._place), error)
        elif not exchange.answer.done():
            exchange.answer.set_result([self._rows(result) for result in exchange.answers()])

    def _rows(self, result: pq.abc.PGresult) -> list[Row]:
        if not result.ntuples:
            return []
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

    # -- end ---------------------------------------------------------------------------------

    def _let_end(self, exchange: _Exchange, deadline: float) -> None:
        """Wait for the answer to a transaction in the place of its caller."""
        if exchange not in self._exchanges:
            return  # it has been answered just now
        answer: asyncio.Future[list[list[Row]]] = self._loop.create_future()
        self._exchanges[self._exchanges.index(exchange)] = exchange._replace(answer=answer)
        timer = self._loop.call_later(deadline, self._expire, deadline)
        self.is_busy = True

        def ended(_: object) -> None:
            answer.exception()  # nobody else looks at it
            timer.cancel()
            self.is_busy = False
            self.freed()

        answer.add_done_callback(ended)

    def _expire(self, deadline: float) -> None:
        self._give_up(
            StoreUnavailableError(f"{self._place}: no answer within {deadline:g} seconds")
        )

    def _give_up(self, error: StoreError, cause: BaseException | None = None) -> None:
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        self._wire.close()
        while self._exchanges:
            self._exchanges.popleft().refuse(error, cause)
        self.lost()


class _Numbered(NamedTuple):
    """A statement as the server takes it: under its name, and with these of the parameters."""

    name: bytes
    sql: bytes
    indexes: list[int]


class _Exchange(NamedTuple):
    """A transaction under way. ``sent`` has the name that each Prepare gives, None for others."""

    answer: asyncio.Future[list[list[Row]]]
    sent: list[str | None]
    results: list[pq.abc.PGresult]

    def answers(self) -> Iterator[pq.abc.PGresult]:
        """The results that are rows."""
        pairs = zip(self.sent, self.results, strict=True)
        return (result for name, result in pairs if name is None)

    def failed(self) -> pq.abc.PGresult | None:
        """The result with which the transaction failed."""
        for result in self.results:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                return result
        return None

    def not_prepared(self) -> set[str]:
        """The names of statements whose preparation failed."""
        good = [result.status == pq.ExecStatus.COMMAND_OK for result in self.results]
        good += [False] * (len(self.sent) - len(good))
        pairs = zip(self.sent, good, strict=False)
        return {name for name, done in pairs if name is not None and not done}

    def refuse(self, error: StoreError, cause: BaseException | None) -> None:
        """Raise this error in the waiting caller."""
        if not self.answer.done():
            error.__cause__ = cause
            self.answer.set_exception(error)


def bound_texts(step: Step) -> list[str | None]:
    """As ``_bound``, for a cursor of the driver, which sends texts as they are."""
    return [None if each is None else each.decode() for each in _bound(step)]


def _bound(step: Step) -> _Params:
    """A parameter for each placeholder; of a step with rows, the arrays of their columns."""
    if step.rows is None:
        return list(map(text_of, step.params))
    return list(map(array_of, zip(*step.rows, strict=True)))


@lru_cache(maxsize=1024)
def _numbered(statement: Statement) -> _Numbered:
    """The SQL with $1, $2, … and the indexes of their values; a repeated name is sent once."""
    names = list(dict.fromkeys(statement.parameters))
    numbers = iter([names.index(name) + 1 for name in statement.parameters])

    def placed(match: re.Match[str]) -> str:
        return "%" if match[1] == "%" else f"${next(numbers)}"

    sql = _PLACEHOLDER.sub(placed, statement.sql)
    indexes = [statement.parameters.index(name) for name in names]
    return _Numbered(statement.name.encode(), sql.encode(), indexes)


def _nothing() -> None:
    pass


def _ignore(_: str) -> None:
    pass
