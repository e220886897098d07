"""Opens sessions and verifies that each is in its schema.

A session sees only tables of its schema; connecting raises if that cannot be verified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from cloaca_core.errors import StoreUnavailableError
from cloaca_core.store.sql.dialect import Step
from cloaca_postgres.sessions.clock import DatabaseClock
from cloaca_postgres.sessions.dialing import dial
from cloaca_postgres.sessions.pool import STATEMENT_DEADLINE_S
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.statements import STATEMENTS, step
from cloaca_postgres.url import Target

ISOLATION: Final = "read committed"
"""All locking depends on it: after a wait for a lock a statement sees what its holder wrote."""

# The server stops before the client gives up: no abandoned statement keeps a lock.
_SERVER_TIMEOUT: Final = f"{int(STATEMENT_DEADLINE_S * 800)}ms"


class _Kind(NamedTuple):
    """The purpose of a session."""

    plans: str
    durable: bool


_WRITER: Final = _Kind("force_generic_plan", durable=True)
_READER: Final = _Kind("force_custom_plan", durable=False)


class Connector:
    """Opens sessions in one schema; of a target that is read-only they cannot write. ``connected``
    is called when one has opened. The first that is asked for is ``spare``, if there is one.
    """

    def __init__(self, target: Target, schema: str, timeout: float, clock: DatabaseClock) -> None:
        self.connected: Callable[[], None] = _nothing
        self.spare: Session | None = None
        self._target = target
        self._schema = schema
        self._timeout = timeout
        self._clock = clock

    async def connect_writer(self) -> Session:
        """Open a session in the schema, whose plans are kept; or ``StoreUnavailableError``."""
        return await self._connect(_WRITER)

    async def make_writer(self, session: Session) -> Session:
        """Make a writer of a session without a schema; close it if that fails."""
        return await self._verified(session, _WRITER)

    async def make_reader(self, session: Session) -> Session:
        """Make a reader of a session without a schema; close it if that fails."""
        return await self._verified(session, _READER)

    def close(self) -> None:
        """Close the spare session."""
        if self.spare is not None:
            self.spare.close()

    async def connect_reader(self) -> Session:
        """Open a session for rare queries, which are planned each time for their values.

        It commits at most a message, so it never waits for the disk.
        """
        return await self._connect(_READER)

    async def _connect(self, kind: _Kind) -> Session:
        spare, self.spare = self.spare, None
        if spare is not None and not spare.closed:
            return await self._verified(spare, kind)
        wire = await dial(self._target, self._timeout)
        session = Session(wire, place=self._target.place, prepares=not self._target.pooler)
        await self._verified(session, kind)
        self.connected()
        return session

    async def _verified(self, session: Session, kind: _Kind) -> Session:
        try:
            await self._verify(session, kind)
        except BaseException:
            session.close()
            raise
        return session

    def _settings(self, kind: _Kind) -> dict[str, object]:
        return _settings_of(self._schema, kind)

    def _enter(self, session: Session, kind: _Kind) -> list[Step]:
        """Set up the session, unless it is answered by another server process than its connection
        was.
        """
        pid = session.backend_pid
        entering = [step(STATEMENTS.enter_session, **self._settings(kind), pid=pid)]
        if self._target.read_only:
            entering.append(step(STATEMENTS.refuse_writes, pid=pid))
        return entering

    def _prelude(self, kind: _Kind) -> list[Step]:
        """Set up each transaction, which may run in another session than the one before."""
        entering = [step(STATEMENTS.enter_transaction, **self._settings(kind))]
        refusing = [step(STATEMENTS.refuse_writes_now)]
        return entering + refusing if self._target.read_only else entering

    async def _verify(self, session: Session, kind: _Kind) -> None:
        asked = [step(STATEMENTS.where_am_i)]
        if self._target.pooler:
            session.begin_with(self._prelude(kind))
        else:
            asked = [*self._enter(session, kind), *asked]
        sent = self._clock.start()
        *entered, ((schema, isolation, now),) = await session.run(asked, self._timeout)
        if [] in entered:
            raise behind_pooler(self._target.place)
        if schema != self._schema:
            raise StoreUnavailableError(
                f"{self._target.place}: the session is not in schema {self._schema!r}"
            )
        if isolation != ISOLATION:
            raise StoreUnavailableError(
                f"{self._target.place}: the session's isolation is {isolation!r}, not {ISOLATION!r}"
            )
        self._clock.read(sent, now)


def record_settings(schema: str) -> dict[str, object]:
    """The settings of a transaction that records facts, as a writer does."""
    return _settings_of(schema, _WRITER)


def _settings_of(schema: str, kind: _Kind) -> dict[str, object]:
    return {
        "schema": schema,
        "statement_timeout": _SERVER_TIMEOUT,
        "plan_cache_mode": kind.plans,
        "durable": int(kind.durable),
    }


def behind_pooler(place: str) -> StoreUnavailableError:
    """The answering server process is not the one of the connection.

    So there is a pooler between, which may run the next transaction in another session: without
    our ``search_path``, or with another tenant's.
    """
    return StoreUnavailableError(
        f"{place}: a pooler such as PgBouncer stands before the database, which may give each"
        " transaction another session: add pooler=true to the URL"
    )


def _nothing() -> None:
    """Stands for a listener before there is one."""
