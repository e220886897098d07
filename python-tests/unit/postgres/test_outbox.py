"""A run is written on the user's connection, whose settings stay as the user made them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest
import pytest_asyncio
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from cloaca_core.assembly.store import Store
from cloaca_core.errors import ConfigError, StoreDataError, StoreError
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.store.messages import Sent
from cloaca_core.store.outbox import Outbox
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.states import RunStatus
from cloaca_postgres import BACKEND
from cloaca_postgres.outbox import PostgresOutbox
from cloaca_testing.conformance.commits import record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    any_run,
    message,
    new_run,
    run_end,
    runner,
)
from dev.databases.maintenance import temporary
from dev.databases.urls import with_query

pytestmark = pytest.mark.asyncio

Raw = psycopg.AsyncConnection[Any]
IDLE, OPEN, FAILED = TransactionStatus.IDLE, TransactionStatus.INTRANS, TransactionStatus.INERROR


@pytest_asyncio.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    store = await BACKEND.open(postgres_url, StoreOptions())
    await store.register(runner())
    yield store
    await store.close()


@pytest.fixture
def outbox(store: Store) -> Outbox:
    assert store.outbox is not None
    return store.outbox


@pytest_asyncio.fixture
async def raw(store: Store, postgres_server: str) -> AsyncIterator[Raw]:
    """A connection of the submitter's, with a table of its own."""
    async with await psycopg.AsyncConnection.connect(postgres_server) as raw:
        await raw.execute("CREATE TEMP TABLE stock (item TEXT)")
        await raw.commit()
        yield raw


async def ids(store: Store) -> list[str]:
    return [run.id for run in await store.list_runs(any_run())]


async def value(raw: Raw, statement: bytes) -> Any:
    row = await (await raw.execute(statement)).fetchone()
    return row and row[0]


async def no_tags(raw: Raw, schema: str) -> None:
    """From now on every write of a tag fails."""
    async with raw.transaction():
        await raw.execute(
            f"ALTER TABLE {schema}.cloaca_run_tag ADD CONSTRAINT no_tags CHECK (tag = '')".encode()
        )


async def test_a_run_belongs_to_nobody_and_is_otherwise_as_any(
    store: Store, outbox: Outbox, raw: Raw
) -> None:
    tags = {"a": "1", 'a "quoted" \\ one': "ü 🙂"}
    text = '{"a":"1","a \\"quoted\\" \\\\ one":"ü 🙂"}'
    assert await outbox.submit_awaited(raw, new_run("a", owner="r1", key="k", tags=text)) == "a"
    await raw.commit()

    row = await stored(store, "a")
    assert (row.owner, row.epoch, row.status) == (None, 0, RunStatus.PENDING)
    assert (row.input, row.tags, row.created_at) == ('{"amount":1}', text, NOW)
    assert row.started_at is None
    for tag in tags.items():
        assert [run.id for run in await store.list_runs(any_run(tags=(tag,)))] == ["a"]


@pytest.mark.parametrize("autocommit", [True, False])
async def test_in_a_transaction_it_is_there_when_that_commits(
    store: Store, outbox: Outbox, raw: Raw, autocommit: bool
) -> None:
    await raw.set_autocommit(autocommit)
    async with raw.transaction():
        await outbox.submit_awaited(raw, new_run("a", tags='{"t":"x"}'))
        assert await ids(store) == []
    assert await ids(store) == ["a"]


@pytest.mark.parametrize("autocommit", [True, False])
async def test_in_a_transaction_it_is_gone_when_that_is_rolled_back(
    store: Store, outbox: Outbox, raw: Raw, autocommit: bool
) -> None:
    await raw.set_autocommit(autocommit)
    async with raw.transaction(force_rollback=True):
        await outbox.submit_awaited(raw, new_run("a", tags='{"t":"x"}'))
    assert await ids(store) == []


@pytest.mark.parametrize("autocommit", [True, False])
async def test_without_a_transaction_it_is_as_with_any_statement(
    store: Store, outbox: Outbox, raw: Raw, autocommit: bool
) -> None:
    await raw.set_autocommit(autocommit)
    await outbox.submit_awaited(raw, new_run("a", tags='{"t":"x"}'))

    assert raw.info.transaction_status == (IDLE if autocommit else OPEN)
    assert await ids(store) == (["a"] if autocommit else [])
    await raw.commit()
    assert await ids(store) == ["a"]


@pytest.mark.parametrize("autocommit", [True, False])
async def test_its_first_message_comes_in_the_same_commit(
    store: Store, outbox: Outbox, raw: Raw, postgres_schema: str, autocommit: bool
) -> None:
    await raw.set_autocommit(autocommit)
    await outbox.submit_awaited(raw, new_run("a", key="k"), message("m", ""))
    assert raw.info.transaction_status == (IDLE if autocommit else OPEN)
    await raw.commit()
    assert [each.run_id for each in await store.sent("a", 9)] == ["a"]

    async with raw.transaction():
        no_message = f"ALTER TABLE {postgres_schema}.cloaca_message ADD CHECK (name = '')"
        await raw.execute(f"{no_message} NOT VALID".encode())
    with pytest.raises(StoreDataError):
        await outbox.submit_awaited(raw, new_run("b"), message("m", ""))

    assert raw.info.transaction_status == IDLE
    assert await ids(store) == ["a"]


@pytest.mark.parametrize("autocommit", [True, False])
async def test_a_failure_without_a_transaction_leaves_none(
    store: Store, outbox: Outbox, raw: Raw, postgres_schema: str, autocommit: bool
) -> None:
    await no_tags(raw, postgres_schema)
    await raw.set_autocommit(autocommit)

    with pytest.raises(StoreDataError):
        await outbox.submit_awaited(raw, new_run("a", tags='{"t":"x"}'))

    assert raw.info.transaction_status == IDLE
    assert await ids(store) == []


async def test_a_failure_in_a_transaction_leaves_what_was_done_before(
    store: Store, outbox: Outbox, raw: Raw, postgres_schema: str
) -> None:
    await no_tags(raw, postgres_schema)
    await raw.execute("INSERT INTO stock VALUES ('bolt')")

    with pytest.raises(StoreDataError):
        await outbox.submit_awaited(raw, new_run("a", tags='{"t":"x"}'))

    assert raw.info.transaction_status == OPEN
    await raw.commit()
    assert await value(raw, b"SELECT item FROM stock") == "bolt"
    assert await ids(store) == []


async def test_a_wait_that_is_given_up_leaves_what_was_done_before(
    store: Store, outbox: Outbox, raw: Raw, postgres_server: str
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_server) as other:
        await outbox.submit_awaited(other, new_run("first", key="k"))
        await raw.execute("INSERT INTO stock VALUES ('bolt')")
        waiting = asyncio.create_task(outbox.submit_awaited(raw, new_run("second", key="k")))
        await blocked_by(other)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    assert raw.info.transaction_status == OPEN
    await raw.commit()
    assert await value(raw, b"SELECT item FROM stock") == "bolt"
    assert await ids(store) == ["first"]


async def blocked_by(other: Raw) -> None:
    """Return when a session waits for this one."""
    pid = other.info.backend_pid
    async with await psycopg.AsyncConnection.connect(
        other.info.dsn, password=other.info.password, autocommit=True
    ) as watch:
        statement = "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        async with asyncio.timeout(60):
            while not await (await watch.execute(statement, [pid])).fetchone():
                pass


@pytest.mark.parametrize("commits", [True, False])
async def test_a_key_that_another_transaction_has_is_waited_for(
    outbox: Outbox, raw: Raw, postgres_server: str, commits: bool
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_server) as other:
        await outbox.submit_awaited(other, new_run("first", key="k"))
        waiting = asyncio.create_task(outbox.submit_awaited(raw, new_run("second", key="k")))
        await blocked_by(other)
        await (other.commit() if commits else other.rollback())

        assert await waiting == ("first" if commits else "second")


async def test_a_key_that_was_used_in_the_same_transaction_is_found(
    store: Store, outbox: Outbox, raw: Raw
) -> None:
    assert await outbox.submit_awaited(raw, new_run("a", key="k")) == "a"
    assert await outbox.submit_awaited(raw, new_run("b", key="k", tags='{"t":"x"}')) == "a"
    await raw.commit()
    assert await ids(store) == ["a"]
    assert await store.list_runs(any_run(tags=(("t", "x"),))) == []


@pytest.mark.parametrize("path", ["", "pg_temp", "nowhere", "pg_catalog, public"])
async def test_the_search_path_neither_matters_nor_changes(
    store: Store, outbox: Outbox, raw: Raw, path: str
) -> None:
    await raw.execute("SELECT set_config('search_path', %s, true)", [path])
    await raw.execute("CREATE TEMP TABLE cloaca_run (id TEXT)")
    await outbox.submit_awaited(raw, new_run("a"))

    assert await value(raw, b"SHOW search_path") == path
    await raw.commit()
    assert await ids(store) == ["a"]


async def test_a_schema_may_have_any_name(postgres_server: str) -> None:
    url = with_query(postgres_server, options='-csearch_path="100%s{schema}"')
    async with await psycopg.AsyncConnection.connect(postgres_server) as raw:
        await raw.execute('CREATE SCHEMA "100%s{schema}"')
        await raw.commit()
        store = await BACKEND.open(url, StoreOptions())
        assert store.outbox is not None
        await store.outbox.submit_awaited(raw, new_run("a"))
        await raw.commit()
        assert await ids(store) == ["a"]
        await store.close()


async def test_how_its_owner_reads_rows_and_writes_parameters_does_not_matter(
    store: Store, outbox: Outbox, raw: Raw
) -> None:
    await submit(store, new_run("first", key="k"))
    raw.row_factory = dict_row
    raw.cursor_factory = psycopg.AsyncRawCursor

    assert await outbox.submit_awaited(raw, new_run("second", key="k")) == "first"


async def test_a_value_without_a_form_in_the_encoding_of_the_connection_is_refused(
    outbox: Outbox, raw: Raw
) -> None:
    await raw.execute("SET client_encoding TO 'LATIN1'")

    with pytest.raises(StoreDataError, match="client_encoding"):
        await outbox.submit_awaited(raw, new_run("a", tags='{"t":"日本"}'))

    assert raw.info.transaction_status == OPEN
    assert await outbox.submit_awaited(raw, new_run("a", tags='{"t":"ü"}')) == "a"


# -- what it says about its keys -----------------------------------------------------------------


async def locks(raw: Raw) -> int:
    """How many advisory locks its transaction has."""
    statement = b"""
        SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    """
    return int(await value(raw, statement))


async def held(store: Store, key: str) -> bool:
    """Whether a batch holds a run with this key back."""
    name = f"asks for {key}"
    async with asyncio.timeout(60):
        return (await submit(store, new_run(name, owner=None, key=key))).held == {name}


async def test_a_run_without_a_key_says_nothing(outbox: Outbox, raw: Raw) -> None:
    await outbox.submit_awaited(raw, new_run("a"))
    assert await locks(raw) == 0


async def test_a_transaction_takes_a_bounded_number_of_locks_and_still_stops_no_batch(
    store: Store, outbox: Outbox, raw: Raw
) -> None:
    await submit(store, new_run("before", key="known"))
    for number in range(200):
        await outbox.submit_awaited(raw, new_run(f"r{number:03}", key=f"k{number}"))

    assert await locks(raw) == 65  # one each, and one for all others
    assert await held(store, "k0")
    assert await held(store, "k199")
    assert not await held(store, "known")  # as there is its run
    assert await store.insert_when_free(new_run("other", key="another")) == "other"
    await raw.rollback()
    assert not await held(store, "k199")


async def test_the_next_transaction_has_as_many_locks_again(outbox: Outbox, raw: Raw) -> None:
    for number in range(70):
        await outbox.submit_awaited(raw, new_run(f"r{number}", key=f"k{number}"))
    await raw.commit()
    await outbox.submit_awaited(raw, new_run("next", key="next"))
    await outbox.submit_awaited(raw, new_run("last", key="last"))
    assert await locks(raw) == 2


async def test_what_is_undone_is_said_no_more(store: Store, outbox: Outbox, raw: Raw) -> None:
    async with raw.transaction():
        async with raw.transaction(force_rollback=True):
            await outbox.submit_awaited(raw, new_run("undone", key="k"))
        await outbox.submit_awaited(raw, new_run("kept", key="l"))
        assert not await held(store, "k")
        assert await held(store, "l")


async def test_who_has_waited_for_another_transaction_says_it_then(
    store: Store, outbox: Outbox, raw: Raw, postgres_server: str
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_server) as other:
        await outbox.submit_awaited(other, new_run("first", key="k"))
        waiting = asyncio.create_task(outbox.submit_awaited(raw, new_run("second", key="k")))
        await blocked_by(other)
        await other.rollback()
        await waiting

        assert await held(store, "k")


@pytest.mark.parametrize("autocommit", [True, False])
async def test_it_makes_way_for_a_batch_that_is_about_to_insert_the_key(
    store: Store,
    outbox: Outbox,
    raw: Raw,
    postgres_server: str,
    postgres_schema: str,
    autocommit: bool,
) -> None:
    """Else the batch would wait for the end of this transaction."""
    await raw.set_autocommit(autocommit)
    async with await psycopg.AsyncConnection.connect(postgres_server) as batch, raw.transaction():
        await raw.execute("INSERT INTO stock VALUES ('bolt')")
        await raw.execute("SET LOCAL lock_timeout = '7s'")
        await batch.execute("SELECT set_config('search_path', %s, true)", [postgres_schema])
        await batch.execute(
            "SELECT pg_advisory_xact_lock_shared("
            "hashtextextended('k', hashtextextended(%s, applied_at)))"
            " FROM cloaca_migration WHERE number = 1",
            [WORKFLOW],
        )
        submitting = asyncio.create_task(outbox.submit_awaited(raw, new_run("mine", key="k")))
        await blocked_by(batch)
        async with asyncio.timeout(60):
            await batch.execute(
                "INSERT INTO cloaca_run"
                " (id, workflow, version, status, epoch, created_at, tags, input, idempotency_key)"
                " VALUES ('batch', %s, '', 'Pending', 0, 0, '{}', '{}', 'k')",
                [WORKFLOW],
            )
        await batch.commit()

        assert await submitting == "batch"
        assert await value(raw, b"SHOW lock_timeout") == "7s"
        assert await value(raw, b"SELECT item FROM stock") == "bolt"


async def test_a_role_that_cannot_reach_the_schema_stops_nobody_with_locks_of_its_own(
    store: Store,
    outbox: Outbox,
    raw: Raw,
    postgres_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Any role that may connect may take any advisory lock, and see which ones others take."""
    assert isinstance(outbox, PostgresOutbox)
    statements = outbox._statements
    waits = statements.wait_for_key.sql
    assert "'1s'" in waits
    briefly = replace(statements.wait_for_key, sql=waits.replace("'1s'", "'20ms'"))
    monkeypatch.setattr(outbox, "_statements", statements._replace(wait_for_key=briefly))
    for number in range(66):
        await outbox.submit_awaited(raw, new_run(f"r{number}", key=f"k{number}"))
    numbers = await raw.execute(
        "SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory' AND pid = %s",
        [raw.info.backend_pid],
    )
    seen = [
        (high << 32 | low) - (1 << 64 if high >> 31 else 0)
        for high, low in await numbers.fetchall()
    ]
    await raw.rollback()
    async with await psycopg.AsyncConnection.connect(postgres_server) as hostile:
        await hostile.execute("SELECT pg_advisory_lock(n) FROM unnest(%s::bigint[]) AS n", [seen])

        assert await held(store, "k0")  # it takes the long way …
        assert await store.insert_when_free(new_run("k0", key="k0")) == "k0"  # … and arrives
        async with asyncio.timeout(60):
            assert await outbox.submit_awaited(raw, new_run("k1", key="k1")) == "k1"


# -- refused -------------------------------------------------------------------------------------


async def test_another_database_with_the_same_schema_is_refused(
    outbox: Outbox, postgres_server: str, postgres_schema: str
) -> None:
    with temporary(postgres_server, f"{postgres_schema}_other") as other:
        store = await BACKEND.open(with_query(other, schema=postgres_schema), StoreOptions())
        async with await psycopg.AsyncConnection.connect(other) as raw:
            with pytest.raises(ConfigError, match="another database"):
                await outbox.submit_awaited(raw, new_run("a"))
            assert raw.info.transaction_status == IDLE
        assert await ids(store) == []
        await store.close()


async def test_a_database_without_the_schema_is_refused_and_the_transaction_goes_on(
    outbox: Outbox, postgres_server: str
) -> None:
    async with await psycopg.AsyncConnection.connect(postgres_server, dbname="postgres") as raw:
        await raw.execute("CREATE TEMP TABLE stock (item TEXT)")
        with pytest.raises(ConfigError, match="another database"):
            await outbox.submit_awaited(raw, new_run("a"))
        assert await value(raw, b"SELECT count(*) FROM stock") == 0


async def test_who_may_not_write_there_hears_it_from_the_database(
    store: Store, outbox: Outbox, raw: Raw, postgres_schema: str
) -> None:
    role = f"{postgres_schema}_guest"
    await raw.execute(f"CREATE ROLE {role}".encode())
    await raw.execute(f"SET LOCAL ROLE {role}".encode())

    with pytest.raises(StoreError, match="permission denied"):
        await outbox.submit_awaited(raw, new_run("a"))

    assert raw.info.transaction_status == OPEN
    await raw.rollback()  # and the role with it


async def test_a_transaction_that_has_failed_is_refused(outbox: Outbox, raw: Raw) -> None:
    with pytest.raises(psycopg.Error):
        await raw.execute("SELECT 1 / 0")

    with pytest.raises(ConfigError, match="has failed: roll it back first"):
        await outbox.submit_awaited(raw, new_run("a"))

    assert raw.info.transaction_status == FAILED
    await raw.rollback()
    assert await outbox.submit_awaited(raw, new_run("a")) == "a"


async def test_a_connection_in_the_middle_of_something_is_refused(outbox: Outbox, raw: Raw) -> None:
    raw.pgconn.send_query(b"SELECT 1")
    with pytest.raises(ConfigError, match="in the middle of another statement"):
        await outbox.submit_awaited(raw, new_run("a"))
    while raw.pgconn.get_result() is not None:
        pass
    async with raw.pipeline():
        with pytest.raises(ConfigError, match="pipeline"):
            await outbox.submit_awaited(raw, new_run("a"))


async def test_a_closed_connection_is_refused(outbox: Outbox, postgres_server: str) -> None:
    raw = await psycopg.AsyncConnection.connect(postgres_server)
    await raw.close()
    with pytest.raises(ConfigError, match="closed"):
        await outbox.submit_awaited(raw, new_run("a"))
    blocking = psycopg.Connection.connect(postgres_server)
    blocking.close()
    with pytest.raises(ConfigError, match="closed"):
        outbox.submit(blocking, new_run("a"))


# -- shared --------------------------------------------------------------------------------------


async def test_tasks_that_share_a_connection_are_not_in_each_others_way(
    store: Store, outbox: Outbox, raw: Raw
) -> None:
    await raw.set_autocommit(True)
    one = [f"a{number}" for number in range(5)]
    writes = [outbox.submit_awaited(raw, new_run(run_id)) for run_id in one]
    others = [value(raw, b"SHOW search_path") for _ in one]

    assert await asyncio.gather(*writes, *others) == one + ['"$user", public'] * len(one)
    assert sorted(await ids(store)) == one


async def test_others_hear_of_a_run_when_it_is_committed(
    outbox: Outbox, raw: Raw, postgres_url: str
) -> None:
    listening = await BACKEND.open(postgres_url, StoreOptions())
    await listening.wait_changed()  # it has begun to listen
    heard = asyncio.create_task(listening.wait_changed())
    await outbox.submit_awaited(raw, new_run("a"))
    await raw.commit()
    await asyncio.wait_for(heard, 60)
    await listening.close()


# -- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("autocommit", [True, False])
async def test_a_message_is_sent_when_the_transaction_commits(
    store: Store, outbox: Outbox, raw: Raw, autocommit: bool
) -> None:
    await submit(store, new_run("a"))
    await raw.set_autocommit(autocommit)
    text = '"ü 🙂"'

    async with raw.transaction():
        sent = await outbox.send_awaited(raw, message("m", payload=text)._replace(sent_by="ann"))
        assert await store.sent("a", 9) == []

    assert sent == Sent("Running", 0, changed=True)
    (row,) = await store.sent("a", 9)
    assert (row.number, row.id, row.payload, row.sent_by, row.taken_by) == (
        0,
        "m",
        text,
        "ann",
        None,
    )


async def test_without_a_transaction_a_message_is_sent_at_once(
    store: Store, outbox: Outbox, raw: Raw
) -> None:
    await submit(store, new_run("a"))
    await raw.set_autocommit(True)

    await outbox.send_awaited(raw, message("m"))

    assert raw.info.transaction_status == IDLE
    assert [each.id for each in await store.sent("a", 9)] == ["m"]


async def test_a_message_that_is_refused_leaves_the_transaction_as_it_was(
    store: Store, outbox: Outbox, raw: Raw
) -> None:
    await raw.execute("INSERT INTO stock VALUES ('bolt')")

    assert await outbox.send_awaited(raw, message("m")) is None
    with pytest.raises(StoreDataError):
        await outbox.send_awaited(raw, message("m", payload='"\ud800"'))

    assert raw.info.transaction_status == OPEN
    assert await value(raw, b"SELECT count(*) FROM stock") == 1


async def test_a_run_is_not_deleted_beside_a_message_to_it(
    store: Store, outbox: Outbox, raw: Raw
) -> None:
    await submit(store, new_run("a"))
    await outbox.send_awaited(raw, message("m"))
    await record(store, ends=[run_end("a")])
    shift = Shift("h", LATER)
    assert await store.take_upkeep(shift, NOW, 2**61, 2**61)

    hiding = asyncio.create_task(store.hide_trees(shift, ["a"], NOW + 10, LATER))
    watched = b"SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
    async with (
        await psycopg.AsyncConnection.connect(
            raw.info.dsn, password=raw.info.password, autocommit=True
        ) as watch,
        asyncio.timeout(60),
    ):
        while await (await watch.execute(watched, [raw.info.backend_pid])).fetchone() != (1,):
            pass
    assert not hiding.done()
    await raw.commit()

    assert await hiding == 1
    assert await store.erase_runs(shift, ["a"]) == 3
    assert await store.sent("a", 9) == []
