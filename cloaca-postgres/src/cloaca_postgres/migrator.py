"""Migrations on PostgreSQL: schema changes are transactional, a lock on their table keeps order.

The first transaction makes that table: others that do so wait, and then find it. So only roles that
may write in the schema can keep a migration waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from cloaca_core.errors import StoreError
from cloaca_core.store.dialect import Step
from cloaca_core.store.migrate import Applied, Migration
from cloaca_core.store.queries import Row, Statement
from cloaca_postgres.driver import Session
from cloaca_postgres.errors import is_in_use, is_made_already
from cloaca_postgres.statements import STATEMENTS, step

_PATIENCE_S: Final = 600.0
TABLE_WAIT_S: Final = 0.5
"""How long a migration waits at a time for a table that it changes."""
APART_S: Final = 2.0
"""Between two such waits, in which others go on."""
_NOTES: Final = "cloaca_migration"
_ALLOW_TIME: Final = step(STATEMENTS.allow_time, statement_timeout=f"{int(_PATIENCE_S * 1000)}ms")


class PostgresMigrator:
    """Contracts: see ``Migrator``."""

    def __init__(self, session: Session, schema: str) -> None:
        self._session = session
        self._schema = schema

    async def applied(self) -> list[Applied]:
        if _NOTES not in await self.table_names():
            return []
        return [Applied(*row) for row in await self._run(step(STATEMENTS.list_migrations))]

    async def apply(self, migration: Migration) -> None:
        """While a transaction uses a table, be it of a user who has submitted a run in it, a change
        of that table waits, and everybody who comes to the table afterwards waits for the change.
        So it waits for moments only, and is tried again.
        """
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            try:
                await self._try(migration)
            except StoreError as error:
                if is_made_already(error) and await self._has(migration):
                    return  # another process has made the table of migrations meanwhile
                if not is_in_use(error) or time.monotonic() > give_up:
                    raise
            else:
                return
            await asyncio.sleep(APART_S)

    async def _has(self, migration: Migration) -> bool:
        return migration.number in [applied.number for applied in await self.applied()]

    async def _try(self, migration: Migration) -> None:
        await self._session.run([step(STATEMENTS.begin)], _PATIENCE_S)
        try:
            if _NOTES in await self.table_names():
                await self._run(step(STATEMENTS.lock_migrations))
            if not await self._has(migration):
                await self._apply(migration)
        except BaseException:
            await self._session.run([step(STATEMENTS.rollback)], _PATIENCE_S, begun=True)
            raise
        await self._session.run([step(STATEMENTS.commit)], _PATIENCE_S)

    async def _apply(self, migration: Migration) -> None:
        steps = [
            Step(Statement(f"migration_{migration.number}_{place}", text, ()))
            for place, text in enumerate(split_statements(migration.sql))
        ]
        limit = step(STATEMENTS.wait_at_most, lock_timeout=f"{int(TABLE_WAIT_S * 1000)}ms")
        await self._session.run([_ALLOW_TIME, limit, *steps], _PATIENCE_S)
        await self._run(noted(migration))  # by itself: its table may be new

    async def table_names(self) -> list[str]:
        """Which tables of ours the schema has."""
        rows = await self._run(step(STATEMENTS.list_tables, schema=self._schema))
        return [name for (name,) in rows]

    async def _run(self, one: Step) -> list[Row]:
        _, rows = await self._session.run([_ALLOW_TIME, one], _PATIENCE_S)
        return rows


def noted(migration: Migration) -> Step:
    """The step that notes a migration as applied."""
    return step(
        STATEMENTS.record_migration,
        number=migration.number,
        name=migration.name,
        checksum=migration.checksum,
        applied_at=time.time_ns() // 1000,
    )


def split_statements(script: str) -> Iterator[str]:
    """The statements of a script, each of which must end at the end of a line."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if line.split("--")[0].rstrip().endswith(";"):
            yield statement.replace("%", "%%")
            statement = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in statement.splitlines()):
        yield statement.replace("%", "%%")
