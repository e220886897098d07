"""A migration is one transaction: it is applied and noted as a whole, once, or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from cloaca_core.errors import StoreError
from cloaca_core.store.migrate import Applied, Migration
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, Statement
from cloaca_postgres import migrator as module
from cloaca_postgres.migrator import PostgresMigrator, split_statements
from cloaca_postgres.sessions.dialing import dial
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.statements import STATEMENTS, naming, step
from cloaca_postgres.url import parse

SOON = 60.0
NOTES = (
    "CREATE TABLE cloaca_migration (\n"
    "    number INTEGER PRIMARY KEY, name TEXT, checksum TEXT, applied_at BIGINT\n"
    ");\n"
)
FIRST = Migration(1, "initial", "c1", NOTES + "CREATE TABLE cloaca_first (id TEXT);\n")
SECOND = Migration(2, "second", "c2", "CREATE TABLE cloaca_second (id TEXT);\n")
Connect: TypeAlias = Callable[[], Awaitable[Session]]


@pytest_asyncio.fixture
async def connect(postgres_server: str, postgres_schema: str) -> AsyncIterator[Connect]:
    """Gives sessions in the test's schema, in which no statement may take long."""
    target, sessions = parse(postgres_server), list[Session]()
    with psycopg.connect(postgres_server, autocommit=True) as raw:
        raw.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(postgres_schema)))

    async def connected() -> Session:
        session = Session(await dial(target, SOON), place="here")
        sessions.append(session)
        hurry = Step(Statement("hurry", "SET statement_timeout = '150ms'", ()))
        await session.run([naming("enter", "SET search_path = {}", postgres_schema), hurry], SOON)
        return session

    yield connected
    for session in sessions:
        session.close()


@pytest_asyncio.fixture
async def migrator(connect: Connect, postgres_schema: str) -> PostgresMigrator:
    return PostgresMigrator(await connect(), postgres_schema)


async def test_a_new_schema_has_none(migrator: PostgresMigrator) -> None:
    assert await migrator.applied() == []


async def test_what_was_applied_is_noted_in_order(
    migrator: PostgresMigrator, connect: Connect
) -> None:
    before = time.time_ns() // 1000
    await migrator.apply(FIRST)
    await migrator.apply(SECOND)

    assert await migrator.applied() == [Applied(1, "initial", "c1"), Applied(2, "second", "c2")]
    assert await migrator.table_names() == ["cloaca_first", "cloaca_migration", "cloaca_second"]
    asked = Step(Statement("asked", "SELECT min(applied_at) FROM cloaca_migration", ()))
    (((instant,),),) = await (await connect()).run([asked], SOON)
    assert before <= instant <= time.time_ns() // 1000


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The names of the statements that sessions send, a list for each round trip."""
    asked: list[list[str]] = []
    run = Session.run

    async def counted(
        self: Session, steps: Sequence[Step], deadline: float, *, begun: bool = False
    ) -> list[list[Row]]:
        asked.append([each.statement.name for each in steps])
        return await run(self, steps, deadline, begun=begun)

    monkeypatch.setattr(Session, "run", counted)
    return asked


async def test_one_takes_three_round_trips(
    migrator: PostgresMigrator, asked: list[list[str]]
) -> None:
    await migrator.apply(FIRST)
    asked.clear()

    await migrator.apply(SECOND)

    assert asked == [
        ["begin", "allow_time", "list_tables"],
        ["lock_migrations", "list_migrations"],
        ["wait_at_most", "migration_c2_0", "record_migration", "commit"],
    ]


async def test_one_that_is_noted_is_not_applied_again(migrator: PostgresMigrator) -> None:
    for _ in range(2):
        await migrator.apply(FIRST)

    assert len(await migrator.applied()) == 1


async def test_the_base_takes_the_place_of_the_migrations_before_it_once(
    connect: Connect, postgres_schema: str
) -> None:
    """Those that are missing come first. Of two at once the slower one does nothing."""
    script = (
        "CREATE TABLE cloaca_third (id TEXT);\nDELETE FROM cloaca_migration WHERE number > 1;\n"
    )
    base = Migration(1, "base", "b1", script)
    both = [PostgresMigrator(await connect(), postgres_schema) for _ in range(2)]
    await both[0].apply(FIRST)

    await asyncio.gather(*(each.rebase([FIRST, SECOND], base) for each in both))

    assert await both[0].applied() == [Applied(1, "base", "b1")]
    assert await both[0].table_names() == [
        *("cloaca_first", "cloaca_migration", "cloaca_second", "cloaca_third")
    ]


async def test_one_that_fails_leaves_nothing_and_the_session_usable(
    migrator: PostgresMigrator,
) -> None:
    await migrator.apply(FIRST)
    broken = SECOND._replace(sql=SECOND.sql + "CREATE TABLE cloaca_first (id TEXT);\n")

    with pytest.raises(StoreError, match="already exists"):
        await migrator.apply(broken)

    assert await migrator.table_names() == ["cloaca_first", "cloaca_migration"]
    await migrator.apply(SECOND)
    assert len(await migrator.applied()) == 2


async def test_of_two_at_once_one_applies_it_and_the_other_sees_that(
    connect: Connect, postgres_schema: str
) -> None:
    both = [PostgresMigrator(await connect(), postgres_schema) for _ in range(2)]

    await asyncio.gather(*(each.apply(FIRST) for each in both))

    for each in both:
        assert await each.applied() == [Applied(1, "initial", "c1")]


async def test_it_and_the_wait_for_another_one_s_may_take_longer_than_other_statements(
    connect: Connect, postgres_schema: str
) -> None:
    both = [PostgresMigrator(await connect(), postgres_schema) for _ in range(2)]
    long = FIRST._replace(sql=FIRST.sql + "SELECT pg_sleep(0.3);\n")

    await asyncio.gather(*(each.apply(long) for each in both))

    assert await both[0].applied() == [Applied(1, "initial", "c1")]


async def test_tables_of_other_programs_and_of_other_schemas_are_not_ours(
    postgres_server: str, postgres_schema: str, migrator: PostgresMigrator
) -> None:
    with psycopg.connect(postgres_server) as raw:
        for schema, table in (
            (postgres_schema, "cloacina"),
            (postgres_schema, "theirs"),
            ("pg_temp", "cloaca_run"),
        ):
            name = sql.Identifier(schema, table)
            raw.execute(sql.SQL("CREATE TABLE {} (id INTEGER)").format(name))

    assert await migrator.table_names() == []


# -- a new schema --------------------------------------------------------------------------------


async def test_the_script_of_a_new_one_takes_two_round_trips_and_notes_all_that_it_replaces(
    migrator: PostgresMigrator, asked: list[list[str]]
) -> None:
    await migrator.create(FIRST.sql + SECOND.sql, [FIRST, SECOND])

    assert asked == [
        ["begin", "allow_time", "list_tables"],
        ["head_0", "head_1", "head_2", "record_migration", "record_migration", "commit"],
    ]
    assert await migrator.applied() == [Applied(1, "initial", "c1"), Applied(2, "second", "c2")]


async def test_a_script_that_fails_leaves_nothing_and_the_session_usable(
    migrator: PostgresMigrator,
) -> None:
    with pytest.raises(StoreError, match="already exists"):
        await migrator.create(FIRST.sql + SECOND.sql + FIRST.sql, [FIRST, SECOND])

    assert await migrator.table_names() == []
    await migrator.create(FIRST.sql + SECOND.sql, [FIRST, SECOND])
    assert len(await migrator.applied()) == 2


async def test_a_connection_lost_within_the_script_leaves_nothing(
    migrator: PostgresMigrator, connect: Connect, postgres_schema: str
) -> None:
    lost = FIRST.sql + "SELECT pg_terminate_backend(pg_backend_pid());\n" + SECOND.sql

    with pytest.raises(StoreError):
        await migrator.create(lost, [FIRST, SECOND])

    assert await PostgresMigrator(await connect(), postgres_schema).table_names() == []


async def test_the_script_does_nothing_where_an_older_process_was_faster(
    migrator: PostgresMigrator, postgres_server: str, postgres_schema: str
) -> None:
    """It finds that only when it makes the first table, which the other one has not committed."""
    async with await psycopg.AsyncConnection.connect(postgres_server) as other:
        await other.execute("SELECT set_config('search_path', %s, true)", [postgres_schema])
        await other.execute(FIRST.sql.encode())
        await other.execute("INSERT INTO cloaca_migration VALUES (1, 'initial', 'c1', 5)")
        waits = asyncio.create_task(migrator.create(FIRST.sql + SECOND.sql, [FIRST, SECOND]))
        await blocked_by(other)
        await other.commit()
        await waits
    await migrator.create(FIRST.sql + SECOND.sql, [FIRST, SECOND])

    assert await migrator.applied() == [Applied(1, "initial", "c1")]


async def test_of_two_scripts_at_once_one_makes_it_and_the_other_sees_that(
    connect: Connect, postgres_schema: str
) -> None:
    both = [PostgresMigrator(await connect(), postgres_schema) for _ in range(2)]

    await asyncio.gather(*(each.create(FIRST.sql, [FIRST]) for each in both))

    assert await both[1].applied() == [Applied(1, "initial", "c1")]


# -- statements ----------------------------------------------------------------------------------


def test_a_script_is_cut_where_a_line_ends_a_statement() -> None:
    script = "-- a; b\nCREATE a (\n  x\n);\n\nSELECT '10%';  -- why;\n-- the end;\n"

    assert [" ".join(text.split()) for text in split_statements(script)] == [
        "-- a; b CREATE a ( x );",
        "SELECT '10%%'; -- why;",
    ]


def test_the_last_statement_may_go_without_its_semicolon() -> None:
    assert list(split_statements("SELECT 1;\nSELECT '5%'")) == ["SELECT 1;\n", "SELECT '5%%'"]


# -- beside others -------------------------------------------------------------------------------


async def test_of_two_that_make_the_first_table_the_second_finds_it(
    migrator: PostgresMigrator, postgres_server: str, postgres_schema: str
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_server) as other:
        await other.execute("SELECT set_config('search_path', %s, true)", [postgres_schema])
        await other.execute(FIRST.sql.encode())
        await other.execute("INSERT INTO cloaca_migration VALUES (1, 'initial', 'c1', 5)")
        waits = asyncio.create_task(migrator.apply(FIRST))
        await blocked_by(other)
        await other.commit()
        await waits

    assert await migrator.applied() == [Applied(1, "initial", "c1")]


async def test_one_that_another_process_applies_meanwhile_is_not_applied_again(
    migrator: PostgresMigrator, postgres_server: str, postgres_schema: str
) -> None:
    await migrator.apply(FIRST)
    change = Migration(2, "second", "c2", "ALTER TABLE cloaca_first ADD COLUMN more TEXT;\n")
    async with await psycopg.AsyncConnection.connect(postgres_server) as other:
        await other.execute("SELECT set_config('search_path', %s, true)", [postgres_schema])
        await other.execute("LOCK TABLE cloaca_migration IN SHARE ROW EXCLUSIVE MODE")
        waits = asyncio.create_task(migrator.apply(change))
        await blocked_by(other)
        await other.execute(change.sql.encode())
        await other.execute("INSERT INTO cloaca_migration VALUES (2, 'second', 'c2', 5)")
        await other.commit()
        await waits

    assert [applied.number for applied in await migrator.applied()] == [1, 2]


async def test_a_table_that_somebody_else_has_made_is_still_refused(
    migrator: PostgresMigrator, postgres_server: str, postgres_schema: str
) -> None:
    with psycopg.connect(postgres_server, autocommit=True) as raw:
        raw.execute(f"CREATE TABLE {postgres_schema}.cloaca_first (id TEXT)".encode())

    with pytest.raises(StoreError, match="already exists"):
        await migrator.apply(FIRST)


async def test_who_uses_a_table_for_long_stops_the_migration_and_nobody_else(
    migrator: PostgresMigrator,
    postgres_server: str,
    postgres_schema: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A process that comes after a waiting change of a table would wait as well."""
    briefly = step(STATEMENTS.wait_at_most, lock_timeout="50ms")
    monkeypatch.setattr(module, "_WAIT_BRIEFLY", briefly)
    monkeypatch.setattr(module, "APART_S", 0.0)
    await migrator.apply(FIRST)
    insert = f"INSERT INTO {postgres_schema}.cloaca_first VALUES ('a')".encode()
    change = Migration(2, "second", "c2", "ALTER TABLE cloaca_first ADD COLUMN more TEXT;\n")
    async with await psycopg.AsyncConnection.connect(postgres_server) as user:
        await user.execute(insert)
        waits = asyncio.create_task(migrator.apply(change))
        await blocked_by(user)
        async with await psycopg.AsyncConnection.connect(postgres_server) as other:
            async with asyncio.timeout(60):
                await other.execute(insert)
            assert not waits.done()
        await user.commit()
        await waits

    assert [applied.number for applied in await migrator.applied()] == [1, 2]


async def test_a_role_that_may_not_write_in_the_schema_keeps_no_migration_waiting(
    migrator: PostgresMigrator, postgres_server: str, postgres_schema: str
) -> None:
    """It can take any advisory lock, such as the one that this was kept in order by."""
    async with await psycopg.AsyncConnection.connect(postgres_server) as hostile:
        lock = b"SELECT pg_advisory_lock(hashtextextended('cloaca migration of ' || %s, 0))"
        await hostile.execute(lock, [postgres_schema])
        await migrator.apply(FIRST)
        await migrator.apply(SECOND)


async def blocked_by(other: psycopg.AsyncConnection[Any]) -> None:
    """Return when a session waits for this one."""
    async with await psycopg.AsyncConnection.connect(
        other.info.dsn, password=other.info.password, autocommit=True
    ) as watch:
        statement = "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        while not await (await watch.execute(statement, [other.info.backend_pid])).fetchone():
            pass
