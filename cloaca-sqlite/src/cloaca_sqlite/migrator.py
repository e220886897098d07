"""Migrations on SQLite: schema changes are transactional, ``BEGIN IMMEDIATE`` is the lock."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

from cloaca_core.store.migrate import Applied, Migration
from cloaca_sqlite.driver import Connection


class SqliteMigrator:
    """Contracts: see ``Migrator``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def applied(self) -> list[Applied]:
        return await self._connection.call(_applied)

    async def apply(self, migration: Migration) -> None:
        await self._connection.transact(lambda raw: _apply(raw, migration))


def _applied(connection: sqlite3.Connection) -> list[Applied]:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'cloaca_migration'")
    if found.fetchone() is None:
        return []
    query = "SELECT number, name, checksum FROM cloaca_migration ORDER BY number"
    return [Applied(*row) for row in connection.execute(query)]


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    if migration.number in [applied.number for applied in _applied(connection)]:
        return
    for statement in split_statements(migration.sql):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO cloaca_migration (number, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
        (migration.number, migration.name, migration.checksum, time.time_ns() // 1000),
    )


def split_statements(script: str) -> Iterator[str]:
    """The statements of a script, each of which must end at the end of a line.

    ``executescript`` would be shorter, but it commits the transaction that is open.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement
