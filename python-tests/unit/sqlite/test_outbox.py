"""A run is written on the user's connection, whose settings stay as the user made them."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
import pytest_asyncio
from tables import each_row

from cloaca_core.assembly.store import Store
from cloaca_core.errors import ConfigError, StoreDataError, StoreUnavailableError
from cloaca_core.store.messages import Sent
from cloaca_core.store.outbox import Outbox
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.states import RunStatus
from cloaca_sqlite import BACKEND
from cloaca_testing.conformance.commits import stored, submit
from cloaca_testing.conformance.rows import NOW, any_run, message, new_run, runner

pytestmark = pytest.mark.asyncio

LEVELS = [None, "", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest_asyncio.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    store = await BACKEND.open(str(path), StoreOptions())
    await store.register(runner())
    yield store
    await store.close()


@pytest.fixture
def outbox(store: Store) -> Outbox:
    assert store.outbox is not None
    return store.outbox


@pytest.fixture
def raw(store: Store, path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of the submitter's, with a table of its own; it waits for no lock."""
    with closing(sqlite3.connect(path, timeout=0)) as raw:
        raw.execute("CREATE TABLE stock (item TEXT)")
        yield raw


async def ids(store: Store) -> list[str]:
    return [run.id for run in await store.list_runs(any_run())]


async def test_a_run_belongs_to_nobody_and_is_otherwise_as_any(
    store: Store, outbox: Outbox, raw: sqlite3.Connection
) -> None:
    tags = {"a": "1", 'a "quoted" \\ one': "ü 🙂"}
    text = '{"a":"1","a \\"quoted\\" \\\\ one":"ü 🙂"}'
    assert outbox.submit(raw, new_run("a", owner="r1", key="k", tags=text)) == "a"
    raw.commit()

    row = await stored(store, "a")
    assert (row.owner, row.epoch, row.status) == (None, 0, RunStatus.PENDING)
    assert (row.input, row.tags, row.created_at) == ('{"amount":1}', text, NOW)
    assert row.started_at is None
    for tag in tags.items():
        assert [run.id for run in await store.list_runs(any_run(tags=(tag,)))] == ["a"]


async def test_a_long_input_comes_and_goes_with_its_run(
    store: Store, outbox: Outbox, raw: sqlite3.Connection
) -> None:
    run = new_run("a", key="k")._replace(input='{"of":"' + "long" * 2_000 + '"}')
    raw.isolation_level = None
    raw.execute("BEGIN")
    outbox.submit(raw, run)
    raw.execute("ROLLBACK")
    assert raw.execute("SELECT count(*) FROM cloaca_payload").fetchone() == (0,)

    assert outbox.submit(raw, run) == "a"
    assert outbox.submit(raw, run._replace(id="b", input=run.input + " ")) == "a"

    assert (await stored(store, "a")).input == run.input
    assert raw.execute("SELECT run_id FROM cloaca_payload").fetchall() == [("a",)]
    assert raw.execute("SELECT input FROM cloaca_run").fetchall() == [("",)]


@pytest.mark.parametrize("level", LEVELS)
async def test_in_a_transaction_it_is_there_when_that_commits(
    store: Store, outbox: Outbox, raw: sqlite3.Connection, level: Any
) -> None:
    raw.isolation_level = level
    raw.execute("BEGIN")
    raw.execute("INSERT INTO stock VALUES ('bolt')")
    outbox.submit(raw, new_run("a", tags='{"t":"x"}'))

    assert raw.in_transaction
    assert await ids(store) == []
    raw.execute("COMMIT")
    assert await ids(store) == ["a"]


@pytest.mark.parametrize("level", LEVELS)
async def test_in_a_transaction_it_is_gone_when_that_is_rolled_back(
    store: Store, outbox: Outbox, raw: sqlite3.Connection, level: Any
) -> None:
    raw.isolation_level = level
    raw.execute("BEGIN")
    outbox.submit(raw, new_run("a", tags='{"t":"x"}'))
    raw.execute("ROLLBACK")

    assert await ids(store) == []
    assert raw.execute("SELECT count(*) FROM cloaca_run_tag").fetchone() == (0,)


async def test_without_a_transaction_a_connection_that_commits_itself_commits_the_run(
    store: Store, outbox: Outbox, raw: sqlite3.Connection
) -> None:
    raw.isolation_level = None
    outbox.submit(raw, new_run("a", tags='{"t":"x"}'))

    assert not raw.in_transaction
    assert await ids(store) == ["a"]


@pytest.mark.parametrize("level", LEVELS[1:])
async def test_without_a_transaction_others_begin_one_as_at_any_statement(
    store: Store, outbox: Outbox, raw: sqlite3.Connection, level: Any
) -> None:
    raw.isolation_level = level
    outbox.submit(raw, new_run("a"))

    assert raw.in_transaction
    assert await ids(store) == []
    raw.commit()
    assert await ids(store) == ["a"]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="autocommit came with Python 3.12")
@pytest.mark.parametrize("autocommit", [True, False])
async def test_autocommit_counts_more_than_the_isolation_level(
    store: Store, outbox: Outbox, path: Path, autocommit: bool
) -> None:
    options: dict[str, Any] = {"autocommit": autocommit}
    level: Any = "" if autocommit else None
    with closing(sqlite3.connect(path, isolation_level=level, **options)) as raw:
        outbox.submit(raw, new_run("a"))
        assert await ids(store) == (["a"] if autocommit else [])
        raw.commit()
    assert await ids(store) == ["a"]


@pytest.mark.parametrize("in_transaction", [True, False])
@pytest.mark.parametrize("level", LEVELS)
async def test_a_failure_leaves_the_transaction_as_it_was(
    store: Store, outbox: Outbox, raw: sqlite3.Connection, level: Any, in_transaction: bool
) -> None:
    raw.isolation_level = level
    raw.execute(
        "CREATE TEMP TRIGGER no_tags BEFORE INSERT ON main.cloaca_run_tag"
        " BEGIN SELECT RAISE(ABORT, 'no tags'); END"
    )
    if in_transaction:
        raw.execute("BEGIN")
        raw.execute("INSERT INTO stock VALUES ('bolt')")

    with pytest.raises(StoreDataError):
        outbox.submit(raw, new_run("a", tags='{"t":"x"}'))

    assert raw.in_transaction is in_transaction
    raw.commit()
    assert await ids(store) == []
    assert len(raw.execute("SELECT * FROM stock").fetchall()) == in_transaction


async def test_what_its_owner_makes_of_rows_and_texts_does_not_matter(
    store: Store, outbox: Outbox, raw: sqlite3.Connection
) -> None:
    await submit(store, new_run("first", key="k"))
    raw.row_factory = lambda cursor, row: {"no": "tuple"}
    raw.text_factory = bytes

    assert outbox.submit(raw, new_run("second", key="k")) == "first"


async def test_a_temporary_table_of_the_same_name_is_not_written(
    store: Store, outbox: Outbox, raw: sqlite3.Connection
) -> None:
    raw.execute("CREATE TEMP TABLE cloaca_run AS SELECT * FROM main.cloaca_run")
    outbox.submit(raw, new_run("a"))
    raw.commit()

    assert await ids(store) == ["a"]


async def test_a_key_that_was_used_in_the_same_transaction_is_found(
    outbox: Outbox, raw: sqlite3.Connection
) -> None:
    assert outbox.submit(raw, new_run("a", key="k")) == "a"
    assert outbox.submit(raw, new_run("b", key="k", tags='{"t":"x"}')) == "a"
    assert raw.execute("SELECT count(*) FROM cloaca_run_tag").fetchone() == (0,)


async def test_who_cannot_write_hears_that_the_database_is_busy(
    store: Store, outbox: Outbox, raw: sqlite3.Connection, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as hog:
        hog.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="busy"):
            outbox.submit(raw, new_run("a"))
    assert not raw.in_transaction
    assert outbox.submit(raw, new_run("a")) == "a"


async def test_a_file_is_known_by_what_it_is(
    store: Store, outbox: Outbox, path: Path, tmp_path: Path
) -> None:
    (tmp_path / "link.db").symlink_to(path)
    with closing(sqlite3.connect(tmp_path / "link.db")) as raw:
        assert outbox.submit(raw, new_run("a")) == "a"


async def test_a_file_by_two_names_is_refused(
    store: Store, outbox: Outbox, path: Path, tmp_path: Path
) -> None:
    """The runner would never see commits that are made by the other name."""
    (tmp_path / "link.db").hardlink_to(path)
    with (
        closing(sqlite3.connect(tmp_path / "link.db")) as raw,
        pytest.raises(ConfigError, match="a second name, a hard link"),
    ):
        outbox.submit(raw, new_run("a"))


async def test_another_file_is_refused_also_when_ours_is_attached(
    store: Store, outbox: Outbox, path: Path
) -> None:
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.execute("ATTACH ? AS main_of_cloaca", (str(path),))
        with pytest.raises(ConfigError, match=r"another database.*only attached"):
            outbox.submit(raw, new_run("a"))
        assert not raw.in_transaction


async def test_a_file_that_was_removed_is_nobodys(
    outbox: Outbox, raw: sqlite3.Connection, path: Path
) -> None:
    await asyncio.to_thread(path.unlink)
    with pytest.raises(ConfigError, match="another database"):
        outbox.submit(raw, new_run("a"))


async def test_a_database_in_memory_refuses_by_name() -> None:
    store = await BACKEND.open(":memory:", StoreOptions())
    assert store.outbox is not None
    with closing(sqlite3.connect(":memory:")) as raw, pytest.raises(ConfigError, match=":memory:"):
        store.outbox.submit(raw, new_run("a"))
    await store.close()


async def test_a_connection_of_another_thread_is_refused_with_the_drivers_reason(
    outbox: Outbox, raw: sqlite3.Connection
) -> None:
    refusals: list[ConfigError] = []

    def elsewhere() -> None:
        with pytest.raises(ConfigError, match="thread") as refusal:
            outbox.submit(raw, new_run("a"))
        refusals.append(refusal.value)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert refusals[0].field == "connection"


# -- aiosqlite -----------------------------------------------------------------------------------


async def test_an_awaited_connection_is_written_on_in_one_go(
    store: Store, outbox: Outbox, path: Path
) -> None:
    async with aiosqlite.connect(path) as connection:
        writes = [
            outbox.submit_awaited(connection, new_run(run_id, tags='{"t":"x"}')) for run_id in "ab"
        ]
        assert await asyncio.gather(*writes) == ["a", "b"]
        assert await ids(store) == []
        await connection.commit()
    assert await ids(store) == ["b", "a"]


@each_row("opened", [True, False], ids=["closed", "not open yet"])
async def test_an_awaited_connection_that_is_not_open_is_refused(
    outbox: Outbox, path: Path, opened: bool
) -> None:
    connection = aiosqlite.connect(path)
    if opened:
        await connection
        await connection.close()
    with pytest.raises(ConfigError, match="closed, or not open yet"):
        await outbox.submit_awaited(connection, new_run("a"))


# -- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
async def test_a_message_is_sent_when_the_transaction_commits(
    store: Store, outbox: Outbox, raw: sqlite3.Connection, level: Any
) -> None:
    await submit(store, new_run("a"))
    raw.isolation_level = level
    raw.text_factory = bytes
    raw.row_factory = sqlite3.Row
    text = '"ü 🙂"'
    raw.execute("BEGIN IMMEDIATE")

    sent = outbox.send(raw, message("m", payload=text)._replace(sent_by="ann"))
    assert await store.sent("a", 9) == []
    raw.execute("COMMIT")

    assert sent == Sent("Running", 0, changed=True)
    (row,) = await store.sent("a", 9)
    assert (row.number, row.id, row.payload, row.sent_by, row.taken_by) == (
        0,
        "m",
        text,
        "ann",
        None,
    )


async def test_an_async_connection_sends_a_message(
    store: Store, outbox: Outbox, path: Path
) -> None:
    await submit(store, new_run("a"))
    async with aiosqlite.connect(path) as raw:
        assert await outbox.send_awaited(raw, message("x", "x")) is None
        sent = await outbox.send_awaited(raw, message("m"))
        await raw.commit()

    assert sent == Sent("Running", 0, changed=True)
    assert [each.id for each in await store.sent("a", 9)] == ["m"]


async def test_a_message_that_cannot_be_stored_leaves_the_transaction_as_it_was(
    store: Store, outbox: Outbox, raw: sqlite3.Connection
) -> None:
    await submit(store, new_run("a"))
    raw.execute("INSERT INTO stock VALUES ('bolt')")

    with pytest.raises(StoreDataError):
        outbox.send(raw, message("m", payload='"\ud800"'))

    assert raw.in_transaction
    raw.commit()
    assert raw.execute("SELECT count(*) FROM stock").fetchone() == (1,)
    assert await store.sent("a", 9) == []
