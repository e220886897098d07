"""Migrations on SQLite: transactional schema changes, with ``BEGIN IMMEDIATE`` as the lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from cloaca_core.store.migrate import Applied, Migration, pending
from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.queries import load_statements
from cloaca_core.values.times.clock import SYSTEM_CLOCK, Clock
from cloaca_sqlite.driver import WORDING, Connection

PACKAGE: Final = __package__
"""The package whose ``migrations`` folder has them."""
_SCHEMA: Final = load_statements(
    [package_files(__package__).joinpath("schema.sql").read_text("utf-8")],
    required=("list_tables", "list_migrations", "record_migration", "record_base"),
    wording=WORDING,
)


class SqliteMigrator:
    """Contracts: see ``Migrator``."""

    def __init__(self, connection: Connection, clock: Clock = SYSTEM_CLOCK) -> None:
        self._connection = connection
        self._clock = clock

    async def applied(self) -> list[Applied]:
        return await self._connection.call(_applied)

    async def apply(self, migration: Migration) -> None:
        await self._run(migration.sql, [migration])

    async def create(self, script: str, replaced: Sequence[Migration]) -> None:
        await self._run(script, replaced)

    async def rebase(self, earlier: Sequence[Migration], base: Migration) -> None:
        await self._connection.transact(lambda raw: _rebase(raw, earlier, base))

    async def _run(self, script: str, migrations: Sequence[Migration]) -> None:
        await self._connection.transact(lambda raw: _run(raw, script, migrations, self._clock))


def _applied(connection: sqlite3.Connection) -> list[Applied]:
    if "cloaca_migration" not in table_names(connection):
        return []
    return [Applied(*row) for row in connection.execute(_SCHEMA["list_migrations"].sql)]


def _run(
    connection: sqlite3.Connection, script: str, migrations: Sequence[Migration], clock: Clock
) -> None:
    """Run and record these migrations, unless the first of them is recorded."""
    if migrations[0].number in [applied.number for applied in _applied(connection)]:
        return
    _execute(connection, script)
    record, now = _SCHEMA["record_migration"], clock.wall()
    for number, name, checksum, _ in migrations:
        values = record.bind(number=number, name=name, checksum=checksum, applied_at=now)
        connection.execute(record.sql, values)


def _rebase(connection: sqlite3.Connection, earlier: Sequence[Migration], base: Migration) -> None:
    """Run the earlier migrations that are missing and the script of the base, and record that."""
    applied = _applied(connection)
    if applied[0] != earlier[0][:3]:
        return
    for migration in [*pending(applied, earlier), base]:
        _execute(connection, migration.sql)
    record = _SCHEMA["record_base"]
    connection.execute(record.sql, record.bind(name=base.name, checksum=base.checksum))


def _execute(connection: sqlite3.Connection, script: str) -> None:
    for statement in split_statements(script):
        connection.execute(statement)


def table_names(connection: sqlite3.Connection) -> list[str]:
    """The names of all tables of the database, including tables of other programs."""
    return [name for (name,) in connection.execute(_SCHEMA["list_tables"].sql).fetchall()]


def split_statements(script: str) -> Iterator[str]:
    """Split a script into statements, each of which must end at the end of a line.

    Not ``executescript``: it commits the open transaction.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
