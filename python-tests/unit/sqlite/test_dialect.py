"""One connection writes, one reads, and what they leave in the tables."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from cloaca_core.assembly.sql_store import SqlStore
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Statement
from cloaca_sqlite.dialect import SqliteDialect
from cloaca_sqlite.driver import Connection
from cloaca_sqlite.opening import open_dialect
from cloaca_sqlite.url import parse
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run

pytestmark = pytest.mark.asyncio

COUNT = Statement("count", "SELECT count(*) FROM cloaca_run", ())


@pytest_asyncio.fixture
async def dialect(tmp_path: Path) -> AsyncIterator[SqliteDialect]:
    dialect = await open_dialect(parse(f"{tmp_path}/dialect.db"), StoreOptions())
    yield dialect
    await dialect.close()


async def test_reading_does_not_wait_for_a_flush(dialect: SqliteDialect) -> None:
    release = threading.Event()
    writing = asyncio.create_task(dialect._writer.transact(lambda _: release.wait()))

    assert await asyncio.wait_for(dialect.read([Step(COUNT)]), 60) == [[(0,)]]

    assert not writing.done()
    release.set()
    await writing


async def test_keys_take_no_locks_so_a_batch_may_have_any_number(dialect: SqliteDialect) -> None:
    assert SqlStore(dialect).most_keys is None


async def test_a_file_is_the_same_by_another_path(dialect: SqliteDialect, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    other = await open_dialect(parse(f"{tmp_path}/link/dialect.db"), StoreOptions())

    assert await other.identity() == await dialect.identity()
    await other.close()


async def test_a_database_in_memory_is_the_same_as_no_other() -> None:
    dialect = await open_dialect(parse(":memory:"), StoreOptions())

    assert await dialect.identity() is None
    await dialect.close()


async def test_several_reads_share_a_snapshot(dialect: SqliteDialect) -> None:
    assert await dialect.read([Step(COUNT), Step(COUNT)]) == [[(0,)], [(0,)]]
    await submit(SqlStore(dialect), new_run("a"))
    assert await dialect.read([Step(COUNT), Step(COUNT)]) == [[(1,)], [(1,)]]


async def test_a_run_that_was_not_inserted_leaves_no_tags(dialect: SqliteDialect) -> None:
    store = SqlStore(dialect)
    await submit(store, new_run("a", key="k"), new_run("b", key="k", tags='{"team":"x"}'))

    tags = Statement("tags", "SELECT * FROM cloaca_run_tag", ())
    assert await dialect.read([Step(tags)]) == [[]]


async def test_a_list_is_one_parameter(dialect: SqliteDialect) -> None:
    statement = Statement("unpack", "SELECT value FROM json_each(?)", ("ids",))
    texts = ["a", "", "'\"\\", "\u00e9\U0001f600", "[1]"]

    (rows,) = await dialect.read([Step(statement, (dialect.array(texts),))])

    assert [value for (value,) in rows] == texts


async def test_the_lease_clock_counts_microseconds_since_boot(dialect: SqliteDialect) -> None:
    since_boot = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    assert since_boot <= dialect.lease_clock() < since_boot + 60_000_000


async def test_closing_does_not_wait_for_a_disk_that_hangs(
    dialect: SqliteDialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloaca_sqlite.driver._CLOSE_TIMEOUT_S", 0.0)
    release = threading.Event()
    writing = asyncio.create_task(dialect._writer.transact(lambda _: release.wait()))
    await asyncio.sleep(0)

    await asyncio.wait_for(dialect.close(), 60)

    assert not writing.done()
    release.set()
    await writing


async def test_a_disk_that_answers_after_the_loop_has_closed_is_answered_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloaca_sqlite.driver._CLOSE_TIMEOUT_S", 0.0)
    release = threading.Event()

    async def close_while_it_hangs() -> Connection:
        dialect = await open_dialect(parse(str(tmp_path / "slow.db")), StoreOptions())
        writer = dialect._writer
        writing = asyncio.create_task(writer.transact(lambda _: release.wait()))
        await asyncio.sleep(0)
        await dialect.close()
        writing.cancel()
        return writer

    writer = await asyncio.to_thread(asyncio.run, close_while_it_hangs())
    release.set()
    await asyncio.to_thread(writer._thread.join)  # an error of the thread would fail the test

    assert writer._connection is None


async def test_free_pages_are_given_back_in_steps(tmp_path: Path) -> None:
    path = tmp_path / "shrinks.db"
    dialect = await open_dialect(parse(str(path)), StoreOptions())
    fill = Statement("fill", "CREATE TABLE big AS SELECT zeroblob(4000000) AS content", ())
    drop = Statement("drop", "DROP TABLE big", ())
    await dialect.write([Step(fill)])
    await dialect.write([Step(drop)])

    given = [await dialect.give_back(300) or 0 for _ in range(12)]
    await dialect.close()

    assert [each // (300 * 4096) for each in given[:2]] == [1, 1]
    assert given[-1] == 0
    assert path.stat().st_size < 700_000


async def test_an_eighth_of_the_pages_stays_free(dialect: SqliteDialect) -> None:
    pages = Statement("pages", "PRAGMA page_count", ())
    free = Statement("free", "PRAGMA freelist_count", ())
    fill = Statement("fill", "CREATE TABLE big AS SELECT zeroblob(4000000) AS content", ())
    await dialect.write([Step(fill)])
    await dialect.write([Step(Statement("drop", "DROP TABLE big", ()))])
    while await dialect.give_back(1_000):
        pass

    ((count,),) = (await dialect.write([Step(pages)]))[0]
    ((left,),) = (await dialect.write([Step(free)]))[0]
    assert left == count // 8


async def test_a_file_of_an_earlier_version_gives_nothing_back(tmp_path: Path) -> None:
    path = tmp_path / "older.db"
    with closing(sqlite3.connect(path)) as older:
        older.execute("PRAGMA application_id = 1668050785")
        older.execute("PRAGMA user_version = 0")
        older.commit()
    dialect = await open_dialect(parse(str(path)), StoreOptions())

    assert await dialect.give_back(1_000) is None
    await dialect.close()
