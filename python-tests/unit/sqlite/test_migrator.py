"""A migration is one transaction: it is applied and noted as a whole, once, or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tables import each_row

from cloaca_core.errors import StoreError
from cloaca_core.store.migrate import Applied, Migration
from cloaca_sqlite.driver import Connection
from cloaca_sqlite.migrator import SqliteMigrator, split_statements

NOTES = (
    "CREATE TABLE cloaca_migration (\n"
    "    number INTEGER PRIMARY KEY, name TEXT, checksum TEXT, applied_at INTEGER\n"
    ") STRICT;\n"
)
FIRST = Migration(1, "initial", "c1", NOTES + "CREATE TABLE first (id TEXT);\n")
SECOND = Migration(2, "second", "c2", "CREATE TABLE second (id TEXT);\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "migrated.db"


async def connect(path: Path) -> Connection:
    connection = Connection(f"file:{path}?mode=rwc", path=str(path), busy_timeout=10)
    await connection.open()
    return connection


@pytest_asyncio.fixture
async def connection(path: Path) -> AsyncIterator[Connection]:
    connection = await connect(path)
    yield connection
    await connection.close()


async def query(connection: Connection, sql: str) -> list[tuple[object, ...]]:
    return await connection.call(lambda raw: raw.execute(sql).fetchall())


async def tables(connection: Connection) -> list[str]:
    rows = await query(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return [str(name) for (name,) in rows]


async def test_a_new_database_has_none(connection: Connection) -> None:
    assert await SqliteMigrator(connection).applied() == []


async def test_what_was_applied_is_noted_in_order(connection: Connection) -> None:
    migrator = SqliteMigrator(connection)
    before = time.time_ns() // 1000
    await migrator.apply(FIRST)
    await migrator.apply(SECOND)

    assert await migrator.applied() == [Applied(1, "initial", "c1"), Applied(2, "second", "c2")]
    assert await tables(connection) == ["cloaca_migration", "first", "second"]
    ((instant,),) = await query(connection, "SELECT min(applied_at) FROM cloaca_migration")
    assert isinstance(instant, int)
    assert before <= instant <= time.time_ns() // 1000


async def test_one_that_is_noted_is_not_applied_again(connection: Connection) -> None:
    migrator = SqliteMigrator(connection)
    for _ in range(2):
        await migrator.apply(FIRST)

    assert len(await migrator.applied()) == 1


async def test_the_base_takes_the_place_of_the_migrations_before_it_once(
    connection: Connection,
) -> None:
    """Those that are missing come first. The database stays the one that it was."""
    script = "CREATE TABLE third (id TEXT);\nDELETE FROM cloaca_migration WHERE number > 1;\n"
    base = Migration(1, "base", "b1", script)
    migrator = SqliteMigrator(connection)
    await migrator.apply(FIRST)
    when = await query(connection, "SELECT applied_at FROM cloaca_migration")

    for _ in range(2):
        await migrator.rebase([FIRST, SECOND], base)

    assert await migrator.applied() == [Applied(1, "base", "b1")]
    assert await query(connection, "SELECT applied_at FROM cloaca_migration") == when
    assert await tables(connection) == ["cloaca_migration", "first", "second", "third"]


async def test_one_that_fails_leaves_nothing(connection: Connection) -> None:
    migrator = SqliteMigrator(connection)
    await migrator.apply(FIRST)
    broken = SECOND._replace(sql=SECOND.sql + "CREATE TABLE first (id TEXT);\n")

    with pytest.raises(StoreError, match="already exists"):
        await migrator.apply(broken)

    assert await tables(connection) == ["cloaca_migration", "first"]
    assert len(await migrator.applied()) == 1
    await migrator.apply(SECOND)


async def test_of_two_at_once_one_applies_it_and_the_other_sees_that(
    connection: Connection, path: Path
) -> None:
    other = await connect(path)
    await asyncio.gather(*(SqliteMigrator(each).apply(FIRST) for each in (connection, other)))

    for each in (connection, other):
        assert await SqliteMigrator(each).applied() == [Applied(1, "initial", "c1")]
    await other.close()


# -- a new database ------------------------------------------------------------------------------


async def test_the_script_of_a_new_one_notes_all_that_it_replaces(connection: Connection) -> None:
    migrator = SqliteMigrator(connection)

    await migrator.create(FIRST.sql + SECOND.sql, [FIRST, SECOND])

    assert await migrator.applied() == [Applied(1, "initial", "c1"), Applied(2, "second", "c2")]
    assert await tables(connection) == ["cloaca_migration", "first", "second"]


async def test_a_script_that_fails_leaves_nothing(connection: Connection) -> None:
    migrator = SqliteMigrator(connection)

    with pytest.raises(StoreError, match="already exists"):
        await migrator.create(FIRST.sql + FIRST.sql, [FIRST, SECOND])

    assert await tables(connection) == []


async def test_the_script_does_nothing_where_an_older_process_was_faster(
    connection: Connection,
) -> None:
    migrator = SqliteMigrator(connection)
    await migrator.apply(FIRST)

    await migrator.create(FIRST.sql + SECOND.sql, [FIRST, SECOND])

    assert await migrator.applied() == [Applied(1, "initial", "c1")]


# -- statements ----------------------------------------------------------------------------------


@each_row(
    ("script", "expected"),
    [
        ("", []),
        ("\n  \n", []),
        ("SELECT 1;\n", ["SELECT 1;\n"]),
        ("SELECT 1;\nSELECT 2;\n", ["SELECT 1;\n", "SELECT 2;\n"]),
        # The last one may go without its semicolon.
        ("SELECT 1;\nSELECT 2", ["SELECT 1;\n", "SELECT 2"]),
        # Several lines, a semicolon in a text, in a name and in a comment.
        ("SELECT\n  ';',\n  1;\n", ["SELECT\n  ';',\n  1;\n"]),
        ("SELECT 1 -- one;\n;\n", ["SELECT 1 -- one;\n;\n"]),
        ('SELECT 1 AS "a;\nb";\n', ['SELECT 1 AS "a;\nb";\n']),
        ("/* first;\n */ SELECT 1;\n", ["/* first;\n */ SELECT 1;\n"]),
        # A trigger holds statements of its own.
        (
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT 1;\n  SELECT 2;\nEND;\nSELECT 3;\n",
            ["CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT 1;\n  SELECT 2;\nEND;\n",
             "SELECT 3;\n"],
        ),
    ],
)  # fmt: skip
def test_a_script_is_split_where_its_statements_end(script: str, expected: list[str]) -> None:
    assert list(split_statements(script)) == expected
