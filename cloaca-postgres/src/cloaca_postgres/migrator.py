"""Migrations on PostgreSQL: transactional schema changes, in order by a lock on their table.

The first transaction creates that table: others that do so wait, and then find it. So only roles
that may write in the schema can keep a migration waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from cloaca_core.errors import StoreError
from cloaca_core.store.migrate import Applied, Migration, pending
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, Statement
from cloaca_core.values.times.clock import SYSTEM_CLOCK, Clock
from cloaca_postgres.errors import is_in_use, is_made_already
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.statements import STATEMENTS, step

_PATIENCE_S: Final = 600.0
TABLE_WAIT_S: Final = 0.5
"""Seconds that a migration waits at once for a table that it changes."""
APART_S: Final = 2.0
"""Seconds between two such waits, in which others may use the table."""
PACKAGE: Final = __package__
"""The package whose ``migrations`` folder has them."""
_NOTES: Final = "cloaca_migration"
_BEGIN: Final = step(STATEMENTS.begin)
_COMMIT: Final = step(STATEMENTS.commit)
_ROLLBACK: Final = step(STATEMENTS.rollback)
_LOCK: Final = step(STATEMENTS.lock_migrations)
_LIST: Final = step(STATEMENTS.list_migrations)
_WAIT_BRIEFLY: Final = step(STATEMENTS.wait_at_most, lock_timeout=f"{int(TABLE_WAIT_S * 1000)}ms")
_ALLOW_TIME: Final = step(STATEMENTS.allow_time, statement_timeout=f"{int(_PATIENCE_S * 1000)}ms")
_Decide: TypeAlias = Callable[[Sequence[Applied]], Iterable[Step]]
"""Chooses the steps for a schema that these migrations have made."""


class PostgresMigrator:
    """Contracts: see ``Migrator``."""

    def __init__(self, session: Session, schema: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self._session = session
        self._schema = schema
        self._clock = clock
        self._names: list[str] = []

    async def applied(self) -> list[Applied]:
        """The migrations; their table is not looked for a second time."""
        if _NOTES not in (self._names or await self.table_names()):
            return []
        return [Applied(*row) for row in await self._ask(_LIST)]

    async def apply(self, migration: Migration) -> None:
        try:
            await self._patiently(self._unless_noted(_changes([migration]), [migration]))
        except StoreError as error:
            if not is_made_already(error) or not await self._has(migration):
                raise  # else another process has just made the table of migrations

    async def rebase(self, earlier: Sequence[Migration], base: Migration) -> None:
        def steps(applied: Sequence[Applied]) -> Iterator[Step]:
            if applied[0] == earlier[0][:3]:
                yield from _changes([*pending(applied, earlier), base])
                yield noted_base(base)

        await self._patiently(steps)

    async def create(self, script: str, replaced: Sequence[Migration]) -> None:
        try:
            await self._try(self._unless_noted(_statements("head", script), replaced))
        except StoreError as error:
            if not is_made_already(error) or not await self._has(replaced[0]):
                raise  # else another process has just made the table of migrations

    async def _has(self, migration: Migration) -> bool:
        return migration.number in [applied.number for applied in await self.applied()]

    async def _patiently(self, decide: _Decide) -> None:
        """Change tables in short tries.

        While any transaction uses a table, a change of that table waits, and later users of the
        table wait for the change. So each try waits only for a moment.
        """
        give_up = self._clock.monotonic() + _PATIENCE_S
        while True:
            try:
                await self._try(decide)
            except StoreError as error:
                if not is_in_use(error) or self._clock.monotonic() > give_up:
                    raise
            else:
                return
            await asyncio.sleep(APART_S)

    async def _try(self, decide: _Decide) -> None:
        """Change in three round trips: begin, lock and look, do what is decided.

        The look comes after the lock, so it finds what an earlier holder of the lock noted.
        """
        try:
            *_, tables = await self._session.run([_BEGIN, _ALLOW_TIME, self._list()], _PATIENCE_S)
            applied: list[Row] = []
            if (_NOTES,) in tables:
                _, applied = await self._go_on([_LOCK, _LIST])
            await self._go_on([*decide([Applied(*row) for row in applied]), _COMMIT])
        except BaseException:
            await self._go_on([_ROLLBACK])
            raise

    def _unless_noted(self, changes: Iterable[Step], migrations: Sequence[Migration]) -> _Decide:
        """Change and note, unless the first of these migrations is noted."""

        def steps(applied: Sequence[Applied]) -> Iterable[Step]:
            missing = migrations[0].number not in [each.number for each in applied]
            return [*changes, *self._notes_of(migrations)] if missing else []

        return steps

    async def _go_on(self, steps: Sequence[Step]) -> list[list[Row]]:
        """Run steps of the transaction that ``_try`` has begun."""
        return await self._session.run(steps, _PATIENCE_S, begun=True)

    def _notes_of(self, migrations: Sequence[Migration]) -> Iterator[Step]:
        return (noted(migration, self._clock) for migration in migrations)

    async def table_names(self) -> list[str]:
        """The names of cloaca's tables in the schema."""
        self._names = [name for (name,) in await self._ask(self._list())]
        return self._names

    def _list(self) -> Step:
        return step(STATEMENTS.list_tables, schema=self._schema)

    async def _ask(self, one: Step) -> list[Row]:
        _, rows = await self._session.run([_ALLOW_TIME, one], _PATIENCE_S)
        return rows


def _changes(migrations: Iterable[Migration]) -> list[Step]:
    """The statements of migrations, with a short limit for locks."""
    changes = [_WAIT_BRIEFLY]
    for migration in migrations:
        # By its checksum: those before the base have the same numbers as those after it.
        changes += _statements(f"migration_{migration.checksum[:12]}", migration.sql)
    return changes


def _statements(name: str, script: str) -> Iterator[Step]:
    for place, text in enumerate(split_statements(script)):
        yield Step(Statement(f"{name}_{place}", text, ()))


def noted(migration: Migration, clock: Clock) -> Step:
    """Make the step that notes a migration as applied."""
    return step(
        STATEMENTS.record_migration,
        number=migration.number,
        name=migration.name,
        checksum=migration.checksum,
        applied_at=clock.wall(),
    )


def noted_base(base: Migration) -> Step:
    """Make the step that notes the base in the place of the migrations before it."""
    return step(STATEMENTS.record_base, name=base.name, checksum=base.checksum)


def split_statements(script: str) -> Iterator[str]:
    """Split a script into statements, each of which must end at the end of a line."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if line.split("--")[0].rstrip().endswith(";"):
            yield statement.replace("%", "%%")
            statement = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in statement.splitlines()):
        yield statement.replace("%", "%%")
