"""Opens and migrates a target's database, or raises an error that says what is wrong.

With ``mode=ro`` it makes and changes nothing, and refuses what is not there yet. Nothing is retried
here: a user who opens a database wants its errors at once. A schema with another program's tables
under our names is refused before anything is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from cloaca_core.errors import (
    ForeignDatabaseError,
    StoreError,
    StoreFullError,
    StoreOpenError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from cloaca_core.store.migrate import (
    load_before_base,
    load_head,
    load_migrations,
    migrate,
    pending,
)
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.times.clock import Clock
from cloaca_postgres.dialect import PostgresDialect
from cloaca_postgres.errors import is_forbidden, is_made_already
from cloaca_postgres.migrator import PACKAGE, PostgresMigrator
from cloaca_postgres.outbox import PostgresOutbox
from cloaca_postgres.sessions.clock import DatabaseClock
from cloaca_postgres.sessions.connecting import ISOLATION, Connector, behind_pooler
from cloaca_postgres.sessions.dialing import dial
from cloaca_postgres.sessions.pool import STATEMENT_DEADLINE_S
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.statements import STATEMENTS, naming, step
from cloaca_postgres.url import Target, check_schema

_EARLIER: Final = partial(load_before_base, PACKAGE)
_OLDEST_SERVER: Final = 130000
_AS_THEY_ARE: Final = (StoreOpenError, StoreFullError, StoreReadOnlyError)


async def open_dialect(target: Target, options: StoreOptions) -> PostgresDialect:
    """Open and migrate the database of a target."""
    target = _in_schema(target, options.schema)
    if options.read_only:
        target = replace(target, read_only=True)
    try:
        return await _opened(target, options)
    except _AS_THEY_ARE:
        raise
    except StoreError as error:
        raise _not_opened(error) from error


def _not_opened(error: StoreError) -> StoreOpenError:
    is_transient = isinstance(error, StoreUnavailableError)
    return StoreOpenError(str(error), reason="unreachable" if is_transient else "unfit")


async def _opened(target: Target, options: StoreOptions) -> PostgresDialect:
    schema, looked = await _schema_of(target, options.connect_timeout)
    clock = DatabaseClock(options.clock.monotonic)
    connector = Connector(target, schema, options.connect_timeout, clock)
    outbox = PostgresOutbox(target.place, schema)

    session = await connector.make_writer(looked)
    with _closing_unless_done(session):
        if target.read_only:
            await _check(session, schema, target.place, options.clock)
        else:
            await _migrate(session, schema, target.place, options.clock)
        await outbox.identify(session, options.connect_timeout)
    connector.spare = session
    return PostgresDialect(connector, clock, target, schema, options, outbox)


async def open_to_examine(
    target: Target, options: StoreOptions, *, foreign: bool = False
) -> tuple[Session, str]:
    """A session that only reads, in a schema of any version of cloaca or with tables of another
    program; and the schema.
    """
    target = replace(_in_schema(target, options.schema), read_only=True)
    try:
        schema, looked = await _schema_of(target, options.connect_timeout)
        clock = DatabaseClock(options.clock.monotonic)
        connector = Connector(target, schema, options.connect_timeout, clock)
        session = await connector.make_reader(looked)
        with _closing_unless_done(session):
            if not foreign:
                await _migrator(session, schema, target.place, options.clock)
    except _AS_THEY_ARE:
        raise
    except StoreError as error:
        raise _not_opened(error) from error
    return session, schema


@contextmanager
def _closing_unless_done(session: Session) -> Iterator[None]:
    try:
        yield
    except BaseException:
        session.close()
        raise


def _in_schema(target: Target, schema: str | None) -> Target:
    if schema is None:
        return target
    check_schema(schema)
    if target.schema not in (None, schema):
        raise StoreOpenError(
            f"the database URL names the schema {target.schema!r}, the runner {schema!r}"
        )
    return replace(target, schema=schema)


async def _schema_of(target: Target, timeout: float) -> tuple[str, Session]:
    """Check the server and create the schema if missing; its name and the session used."""
    wire = await dial(target, timeout)
    session = Session(wire, place=target.place, prepares=not target.pooler)
    with _closing_unless_done(session):
        asked = [step(STATEMENTS.forget_search_path)] if target.pooler else []
        asked.append(step(STATEMENTS.server, schema=target.schema))
        *_, ((pid, *facts, current, is_there),) = await session.run(asked, timeout)
        if pid != session.backend_pid and not target.pooler:
            raise behind_pooler(target.place)
        _refuse_unfit(target.place, *facts)
        if target.schema is None:
            return _existing(current, target.place), session
        if not is_there:
            await _make_schema(session, target, target.schema)
    return target.schema, session


def _existing(schema: str | None, place: str) -> str:
    if schema is None:
        raise StoreOpenError(
            f"{place}: no schema of the search path exists; name one with ?schema=…"
        )
    return schema


def _refuse_unfit(
    place: str, version: int, encoding: str, isolation: str, in_recovery: bool
) -> None:
    """Raise unless the server is suitable."""
    if version < _OLDEST_SERVER:
        raise StoreOpenError(f"{place}: PostgreSQL 13 or newer is needed, not {version // 10000}")
    if encoding != "UTF8":
        raise StoreOpenError(f"{place}: the database's encoding must be UTF8, not {encoding}")
    if isolation != ISOLATION:
        raise StoreOpenError(
            f"{place}: default_transaction_isolation must be {ISOLATION!r}, not {isolation!r}"
        )
    if in_recovery:
        raise StoreReadOnlyError(f"{place}: this server is a standby, which cannot be written")


async def _make_schema(session: Session, target: Target, schema: str) -> None:
    """Create a missing schema: a role that may use one often may not create it."""
    if target.read_only:
        raise StoreReadOnlyError(
            f"{target.place}: there is no schema {schema!r}, and opening it to look makes none",
            is_unmade=True,
        )
    create = naming("create_schema", "CREATE SCHEMA IF NOT EXISTS {}", schema)
    try:
        await session.run([create], STATEMENT_DEADLINE_S)
    except StoreError as error:
        if is_made_already(error):  # IF NOT EXISTS fails when two sessions do this at once
            return
        raise StoreOpenError(f"Failed to set up schema {schema!r}: {error}") from error


async def _check(session: Session, schema: str, place: str, clock: Clock) -> None:
    """Refuse a schema that is not of this version: nothing is migrated."""
    migrator = await _migrator(session, schema, place, clock)
    if pending(await migrator.applied(), load_migrations(PACKAGE), _EARLIER):
        raise StoreReadOnlyError(
            f"{place}: the tables of schema {schema!r} are missing or of an earlier version, and"
            " opening it to look makes none",
            is_unmade=True,
        )


async def _migrator(session: Session, schema: str, place: str, clock: Clock) -> PostgresMigrator:
    """The migrator of a schema that is empty or ours."""
    migrator = PostgresMigrator(session, schema, clock)
    tables = await migrator.table_names()
    if tables and "cloaca_migration" not in tables:
        raise ForeignDatabaseError(
            f"{place}: schema {schema!r} has a table {tables[0]} that this program did not make:"
            " name another schema"
        )
    return migrator


async def _migrate(session: Session, schema: str, place: str, clock: Clock) -> None:
    migrator = await _migrator(session, schema, place, clock)
    try:
        await migrate(migrator, load_migrations(PACKAGE), load_head(PACKAGE), _EARLIER)
    except StoreError as error:
        if not is_forbidden(error):
            raise
        raise StoreOpenError(
            f"{error}: the owner of schema {schema!r} must bring it to this version"
            " (for a tenant: DatabaseAdmin.create_tenant, once more)"
        ) from error
