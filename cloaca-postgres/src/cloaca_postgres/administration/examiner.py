"""Examines one schema, on a session that only reads. Contracts: see ``Examiner``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

import psycopg

from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.features.transfer.examination import DatabaseFacts, Finding
from cloaca_core.store.migrate import load_before_base, load_head, load_migrations, schema_state
from cloaca_core.store.package_files import package_files
from cloaca_core.store.runner_rows import Fleet
from cloaca_core.store.schema_state import SchemaState
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, Statement, load_statements
from cloaca_core.store.sql.runners import runner_of
from cloaca_postgres.administration.server_facts import ServerFacts, findings_of
from cloaca_postgres.migrator import PACKAGE, PostgresMigrator
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.statements import STATEMENTS, WORDING, naming, step

LONGEST_CHECK_S: Final = 600.0
ANSWER_S: Final = 10.0
HEARD_WITHIN_S: Final = 5.0


class _Examination(NamedTuple):
    """The statements of ``examination.sql``."""

    fleet: Statement
    list_made: Statement
    server_facts: Statement
    connections: Statement
    tables_without_vacuum: Statement
    invalid_indexes: Statement
    size: Statement
    may_check_indexes: Statement
    indexes: Statement
    check_index: Statement
    notify_examiner: Statement


_SQL: Final = _Examination(
    **load_statements(
        [package_files(__package__).joinpath("examination.sql").read_text("utf-8")],
        required=_Examination._fields,
        wording=WORDING,
    )
)


class PostgresExaminer:
    """Contracts: see ``Examiner``. ``pooler`` is what the URL says."""

    def __init__(self, session: Session, schema: str, place: str, *, pooler: bool) -> None:
        self._session = session
        self._schema = schema
        self._place = place
        self._pooler = pooler

    async def schema(self) -> SchemaState:
        applied = await PostgresMigrator(self._session, self._schema).applied()
        there = await self._names(_SQL.list_made)
        known, head = load_migrations(PACKAGE), load_head(PACKAGE)
        before = partial(load_before_base, PACKAGE)
        return schema_state(applied, known, head, there, before)

    async def facts(self) -> DatabaseFacts:
        ((version, *_),) = await self._ask(_SQL.server_facts)
        ((size,),) = await self._ask(_SQL.size, schema=self._schema)
        return DatabaseFacts({"PostgreSQL": version, "psycopg": psycopg.__version__}, size)

    async def fleet(self) -> Fleet:
        there = await self._names(_SQL.list_made)
        rows = await self._ask(_SQL.fleet) if "cloaca_runner" in there else []
        ((now,),) = await self._ask(STATEMENTS.clock)
        return Fleet(list(map(runner_of, rows)), int(now), ends_with_boot=False)

    async def settings(self) -> Sequence[Finding]:
        ((_, version, fsync, pages, vacuum, counts, most),) = await self._ask(_SQL.server_facts)
        ((connections, oldest),) = await self._ask(_SQL.connections)
        facts = ServerFacts(
            place=self._place,
            version=version,
            fsync=fsync,
            full_page_writes=pages,
            autovacuum=vacuum,
            track_counts=counts,
            max_connections=most,
            connections=connections,
            oldest_transaction=oldest,
            tables_without_vacuum=await self._names(_SQL.tables_without_vacuum),
            invalid_indexes=await self._names(_SQL.invalid_indexes),
            pooler=self._pooler,
            is_direct=await self._is_direct(),
            heard=None if self._pooler else await self._hears(),
        )
        return findings_of(facts)

    async def damage(self) -> Sequence[Finding]:
        """Check the indexes, where the extension amcheck is installed. The server checks pages
        itself, if it was made with checksums.
        """
        ((may_check,),) = await self._ask(_SQL.may_check_indexes)
        if not may_check:
            return ()
        indexes = await self._ask(_SQL.indexes, schema=self._schema)
        checked = [await self._check(name, oid) for name, oid in indexes]
        return [finding for finding in checked if finding is not None]

    async def close(self) -> None:
        self._session.close()

    async def _check(self, name: str, oid: int) -> Finding | None:
        allow = step(STATEMENTS.allow_time, statement_timeout=f"{int(LONGEST_CHECK_S * 1000)}ms")
        try:
            await self._session.run([allow, step(_SQL.check_index, index=oid)], LONGEST_CHECK_S)
        except StoreUnavailableError:
            raise
        except StoreError as error:
            return Finding(
                "damaged",
                "error",
                f"the index {name} is damaged: {error}",
                f"REINDEX INDEX CONCURRENTLY {name}; and find out what damaged it",
            )
        return None

    async def _is_direct(self) -> bool:
        ((pid,),) = await self._ask(STATEMENTS.who_answers)
        return bool(pid == self._session.backend_pid)

    async def _hears(self) -> bool:
        """Send a notification to this session by the server, on a channel of its own."""
        channel = f"cloaca_examiner_{os.urandom(8).hex()}"
        heard = asyncio.Event()
        self._session.notified = lambda _: heard.set()
        await self._session.run([naming("listen", "LISTEN {}", channel)], ANSWER_S)
        await self._ask(_SQL.notify_examiner, channel=channel)
        try:
            async with asyncio.timeout(HEARD_WITHIN_S):
                await heard.wait()
        except TimeoutError:
            return False
        return True

    async def _names(self, statement: Statement) -> list[str]:
        return [name for (name,) in await self._ask(statement, schema=self._schema)]

    async def _ask(self, statement: Statement, **values: object) -> list[Row]:
        (rows,) = await self._session.run([Step(statement, statement.bind(**values))], ANSWER_S)
        return rows
