"""Opening a database: new, ours, another program's, out of reach."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

import psycopg
import pytest
from tables import each_row

import cloaca
from cloaca_core.errors import (
    ForeignDatabaseError,
    NewerSchemaError,
    StoreOpenError,
    StoreReadOnlyError,
)
from cloaca_core.store.migrate import load_before_base, load_migrations
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.runner_rows import RunnerName
from cloaca_postgres import BACKEND, opening
from cloaca_postgres.opening import _refuse_unfit
from cloaca_postgres.sessions import connecting
from cloaca_postgres.sessions.dialing import Wire, dial
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.url import Target
from cloaca_testing.conformance.commits import record, stored, submit
from cloaca_testing.conformance.rows import attempt, new_run, runner, schedule

Query: TypeAlias = Callable[..., list[tuple[object, ...]]]

SOON = 60.0
KNOWN = load_migrations("cloaca_postgres")
EARLIER = load_before_base("cloaca_postgres").migrations
OLDER_RUNNER = """INSERT INTO cloaca_runner (
    id, boot_id, pid_namespace, pid, process_start, beat, lease_until, fenced, started_at
) VALUES ('r1', '', '', 1, 1, 7, 99, 0, 1)"""
"""A runner as versions before the seventh schema register it."""
EARLIER_RUNNER = OLDER_RUNNER.replace("started_at", "started_at, protocol").replace("1)", "1, 2)")
"""A runner as versions before the base register it."""
OLDER_RUN = """INSERT INTO cloaca_run (
    id, workflow, version, status, owner, epoch, created_at, started_at, tags, input
) VALUES ('a', 'w', 'v', 'Running', 'r1', 1, 5, 5, '{}', '{}')"""
FIT = {"version": 150000, "encoding": "UTF8", "isolation": "read committed", "in_recovery": False}


def open_and_close(url: str, schema: str | None = None) -> None:
    async def both() -> None:
        await (await BACKEND.open(url, StoreOptions(schema=schema))).close()

    asyncio.run(both())


@pytest.fixture
def query(postgres_server: str, postgres_schema: str) -> Query:
    """Runs a statement in the test's schema."""

    def run(statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(postgres_server, autocommit=True) as raw:
            raw.execute("SELECT set_config('search_path', %s, false)", [postgres_schema])
            cursor = raw.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    return run


@pytest.fixture
def opened(postgres_url: str) -> str:
    """The URL of a schema that was opened before."""
    open_and_close(postgres_url)
    return postgres_url


# -- new and ours --------------------------------------------------------------------------------


def test_a_missing_schema_is_made_and_migrated(opened: str, query: Query) -> None:
    assert query("SELECT number, name FROM cloaca_migration") == [
        (each.number, each.name) for each in KNOWN
    ]


def test_opening_again_changes_nothing(opened: str, query: Query) -> None:
    before = query("SELECT * FROM cloaca_migration")

    open_and_close(opened)

    assert query("SELECT * FROM cloaca_migration") == before


def test_the_schema_can_be_given_beside_the_url(
    postgres_server: str, postgres_schema: str, query: Query
) -> None:
    open_and_close(postgres_server, postgres_schema)

    assert query("SELECT number FROM cloaca_migration") == [(each.number,) for each in KNOWN]


def test_two_different_schemas_are_refused(postgres_url: str) -> None:
    with pytest.raises(StoreOpenError, match="the runner 'another'"):
        open_and_close(postgres_url, "another")


def test_a_schema_named_in_capitals_is_that_schema(
    postgres_server: str, postgres_schema: str
) -> None:
    name = postgres_schema.upper()
    try:
        open_and_close(postgres_server, name)
    finally:
        with psycopg.connect(postgres_server, autocommit=True) as raw:
            found = raw.execute(
                "SELECT count(*) FROM pg_namespace WHERE nspname = %s", [name]
            ).fetchone()
            raw.execute(
                psycopg.sql.SQL("DROP SCHEMA {} CASCADE").format(psycopg.sql.Identifier(name))
            )

    assert found == (1,)


def test_tables_of_0x_in_the_same_schema_are_left_alone(
    postgres_url: str, postgres_schema: str, query: Query
) -> None:
    query(f"CREATE SCHEMA {postgres_schema}")
    for table in (
        "contexts",
        "pipeline_executions",
        "task_executions",
        "__diesel_schema_migrations",
    ):
        query(f"CREATE TABLE {table} (id INTEGER)")
        query(f"INSERT INTO {table} VALUES (1)")

    open_and_close(postgres_url)

    assert query("SELECT count(*) FROM contexts") == [(1,)]
    assert query("SELECT count(*) FROM cloaca_run") == [(0,)]


def test_the_views_for_people_show_instants(opened: str, query: Query) -> None:
    async def fill() -> None:
        store = await BACKEND.open(opened, StoreOptions())
        await store.register(runner("r1"), RunnerName(7, "r1", "web-1", 17))
        await submit(store, new_run("a"))
        await record(store, [attempt("a")])
        await store.close()

    asyncio.run(fill())

    (row,) = query("SELECT created_at AT TIME ZONE 'UTC', ended_at FROM cloaca_run_readable")
    assert (str(row[0]), row[1]) == ("2023-11-14 22:13:20", None)
    assert query("SELECT version = ran_version FROM cloaca_run_readable") == [(True,)]
    assert query("SELECT runner, process, host FROM cloaca_attempt_readable") == [
        ("r1", 17, "web-1")
    ]


def test_with_a_pooler_everything_works_too(postgres_url: str) -> None:
    async def use() -> None:
        often = StoreOptions(poll_interval=0.001)
        store = await BACKEND.open(f"{postgres_url}&pooler=true", often)
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        assert (await stored(store, "a")).owner == "r1"
        assert await store.beat("r1", 1)
        await store.wait_changed()  # the first may end for no reason
        await store.close()

    asyncio.run(use())


# -- looked at -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pooler", ["false", "true"])
def test_with_mode_ro_everything_is_read_and_nothing_written(
    opened: str, query: Query, pooler: str
) -> None:
    async def use() -> None:
        store = await BACKEND.open(f"{opened}&mode=ro&pooler={pooler}", StoreOptions())
        assert not store.writable
        assert await store.runners() == []
        for write in (store.register(runner("r1")), submit(store, new_run("a"))):
            with pytest.raises(StoreReadOnlyError, match="opened with mode=ro"):
                await write
        with pytest.raises(StoreReadOnlyError):
            await store.insert_when_free(new_run("a", key="k"))
        await asyncio.wait_for(store.wait_changed(), SOON)
        await store.close()

    asyncio.run(use())

    assert query("SELECT count(*) FROM cloaca_run") == [(0,)]


def test_a_program_may_ask_for_reading_only_beside_the_url(opened: str) -> None:
    async def look() -> bool:
        store = await BACKEND.open(opened, StoreOptions(read_only=True))
        try:
            return store.writable
        finally:
            await store.close()

    assert asyncio.run(look()) is False


def test_mode_ro_makes_no_schema(postgres_url: str, query: Query) -> None:
    with pytest.raises(StoreReadOnlyError, match=r"there is no schema .* makes none") as refusal:
        open_and_close(f"{postgres_url}&mode=ro")

    assert refusal.value.is_unmade
    assert query("SELECT current_schema()") == [(None,)]


def test_mode_ro_migrates_nothing(
    opened: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = KNOWN[-1]._replace(number=len(KNOWN) + 1, name="later")
    monkeypatch.setattr("cloaca_postgres.opening.load_migrations", lambda _: [*KNOWN, later])

    with pytest.raises(StoreReadOnlyError, match="missing or of an earlier version") as refusal:
        open_and_close(f"{opened}&mode=ro")

    assert refusal.value.is_unmade
    assert query("SELECT count(*) FROM cloaca_migration") == [(len(KNOWN),)]


def test_mode_ro_refuses_an_empty_schema(
    postgres_url: str, postgres_schema: str, query: Query
) -> None:
    query(f"CREATE SCHEMA {postgres_schema}")

    with pytest.raises(StoreReadOnlyError, match="missing or of an earlier version"):
        open_and_close(f"{postgres_url}&mode=ro")


def test_mode_ro_refuses_a_newer_schema_as_such(opened: str, query: Query) -> None:
    query(f"INSERT INTO cloaca_migration VALUES ({len(KNOWN) + 1}, 'later', 'x', 0)")

    with pytest.raises(NewerSchemaError):
        open_and_close(f"{opened}&mode=ro")


# -- not ours ------------------------------------------------------------------------------------


def test_another_program_s_table_of_our_name_is_refused_and_left(
    postgres_url: str, postgres_schema: str, query: Query
) -> None:
    query(f"CREATE SCHEMA {postgres_schema}")
    query("CREATE TABLE cloaca_run (mine INTEGER)")

    with pytest.raises(ForeignDatabaseError, match=r"has a table cloaca_run that this program"):
        open_and_close(postgres_url)

    assert query("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()") == [
        ("cloaca_run",)
    ]


def test_a_newer_schema_is_refused(opened: str, query: Query) -> None:
    later = len(KNOWN) + 1
    query(f"INSERT INTO cloaca_migration VALUES ({later}, 'later', 'x', 0)")

    with pytest.raises(NewerSchemaError) as caught:
        open_and_close(opened)

    assert (caught.value.found, caught.value.known) == (later, len(KNOWN))


def test_a_migration_that_was_changed_is_refused(opened: str, query: Query) -> None:
    query("UPDATE cloaca_migration SET checksum = 'x'")

    with pytest.raises(StoreOpenError, match="its checksum differs"):
        open_and_close(opened)


def test_a_migration_that_fails_leaves_nothing(
    postgres_url: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *_ = load_migrations("cloaca_postgres")
    broken = first._replace(sql=f"{first.sql}\nSELECT 1 / 0;\n", checksum="of none")
    monkeypatch.setattr("cloaca_postgres.opening.load_migrations", lambda _: [broken])

    with pytest.raises(StoreOpenError):
        open_and_close(postgres_url)

    assert query("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()") == []


# -- out of reach --------------------------------------------------------------------------------


@each_row(
    "url",
    [
        "postgresql://me:hunter2@127.0.0.1:1/work",  # refused
        "postgresql://me:hunter2@nowhere.invalid/work",  # unresolvable
    ],
)
def test_a_server_out_of_reach_is_told_at_once(url: str) -> None:
    with pytest.raises(StoreOpenError) as caught:
        open_and_close(url)

    assert "hunter2" not in str(caught.value)


def test_where_the_database_cannot_be_prepared_the_session_is_closed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = []

    async def refuses(session: Session, *_: object) -> None:
        sessions.append(session)
        raise StoreOpenError("not ours")

    monkeypatch.setattr(opening, "_migrate", refuses)

    with pytest.raises(StoreOpenError, match="not ours"):
        open_and_close(postgres_url)

    assert [each.closed for each in sessions] == [True]


def test_a_session_is_opened_when_it_is_needed(
    opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialled: list[Target] = []

    async def noted(target: Target, timeout: float) -> Wire:
        dialled.append(target)
        return await dial(target, timeout)

    for module in (opening, connecting):
        monkeypatch.setattr(module, "dial", noted)

    async def used() -> list[int]:
        store = await BACKEND.open(opened, StoreOptions())
        found = [len(dialled)]
        for use in (
            store.runners,
            lambda: submit(store, new_run("a")),
            store.wait_changed,
            lambda: store.beat("r1", 1),
            store.runners,
        ):
            await use()
            found.append(len(dialled))
        await store.close()
        return found

    assert asyncio.run(used()) == [1, 1, 2, 3, 4, 4]


def test_an_unknown_database_is_told_by_name(postgres_server: str) -> None:
    before, _, query = postgres_server.partition("?")
    url = f"{before.rsplit('/', 1)[0]}/no_such_database?{query}"

    with pytest.raises(StoreOpenError, match='"no_such_database" does not exist') as refusal:
        open_and_close(url)

    assert refusal.value.reason == "unreachable"  # it would not be made either


@each_row(
    ("change", "kind", "told"),
    [
        ({"version": 120015}, StoreOpenError, "PostgreSQL 13 or newer is needed, not 12"),
        ({"encoding": "SQL_ASCII"}, StoreOpenError, "must be UTF8, not SQL_ASCII"),
        ({"isolation": "serializable"}, StoreOpenError, "not 'serializable'"),
        ({"in_recovery": True}, StoreReadOnlyError, "is a standby"),
    ],
)
def test_a_server_that_cannot_do_what_is_asked_of_it_is_refused(
    change: dict[str, object], kind: type[Exception], told: str
) -> None:
    _refuse_unfit("here", **FIT)  # type: ignore[arg-type] # one dict for all types
    with pytest.raises(kind, match=told):
        _refuse_unfit("here", **(FIT | change))  # type: ignore[arg-type] # as above


def test_a_runner_with_a_schema_works_in_it_and_says_what_it_could_not_set_up(
    postgres_server: str, postgres_schema: str, query: Query
) -> None:
    with cloaca.DefaultRunner.with_schema(postgres_server, postgres_schema) as opened:
        assert opened.list_runs() == []
    assert query("SELECT count(*) FROM cloaca_run") == [(0,)]

    with pytest.raises(ValueError, match="Schema name must not be one of PostgreSQL's own"):
        cloaca.DefaultRunner.with_schema(postgres_server, "pg_mine")


def test_a_database_of_the_first_schema_is_migrated_with_its_live_runs(
    postgres_url: str, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr("cloaca_postgres.opening.load_migrations", lambda _: EARLIER[:1])
        open_and_close(postgres_url)
    query(OLDER_RUNNER)
    query(OLDER_RUN)

    async def migrated() -> None:
        store = await BACKEND.open(postgres_url, StoreOptions())
        try:
            assert (await stored(store, "a")).owner == "r1"
            assert [(each.id, each.fenced) for each in await store.runners()] == [("r1", True)]
            assert await store.put_schedule(schedule()) == "s"
        finally:
            await store.close()

    asyncio.run(migrated())


def test_a_runner_of_an_earlier_version_cannot_register_any_more(opened: str, query: Query) -> None:
    """It would claim runs that it does not understand. Those that are open were fenced."""
    with pytest.raises(psycopg.errors.NotNullViolation, match="protocol"):
        query(OLDER_RUNNER)
    with pytest.raises(psycopg.errors.CheckViolation, match="protocol"):
        query(EARLIER_RUNNER)
