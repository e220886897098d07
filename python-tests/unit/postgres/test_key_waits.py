"""Runs that wait for transactions of others, on one session of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreDataError, StoreError, StoreUnavailableError
from cloaca_core.features.steering.records import NewFork
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Answers, Step
from cloaca_postgres import BACKEND, key_waits as module
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import NOW, WORKFLOW, act, any_run, new_run
from dev.databases.urls import for_libpq

pytestmark = pytest.mark.asyncio

SOON_S = 60
Raw = psycopg.AsyncConnection[Any]
WAITING = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'cloaca' AND %s = ANY(pg_blocking_pids(pid))
"""


@pytest_asyncio.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    store = await BACKEND.open(postgres_url, StoreOptions())
    yield store
    await store.close()


@pytest_asyncio.fixture
async def mine(store: Store, postgres_url: str) -> AsyncIterator[Raw]:
    """A user's connection."""
    async with await psycopg.AsyncConnection.connect(for_libpq(postgres_url)) as mine:
        yield mine


@pytest_asyncio.fixture
async def yours(store: Store, postgres_url: str) -> AsyncIterator[Raw]:
    """Another user's."""
    async with await psycopg.AsyncConnection.connect(for_libpq(postgres_url)) as yours:
        yield yours


async def write(store: Store, connection: Raw, run_id: str, key: str) -> None:
    """Write a run on a user's connection, whose transaction stays open."""
    assert store.outbox is not None
    await store.outbox.submit_awaited(connection, new_run(run_id, key=key))


def wait_for(store: Store, run_id: str, key: str) -> asyncio.Task[str]:
    return asyncio.create_task(store.insert_when_free(new_run(run_id, key=key)))


async def waiting_for(connection: Raw) -> int:
    """The process of the server that waits for this one, once there is one."""
    async with await psycopg.AsyncConnection.connect(
        connection.info.dsn, password=connection.info.password, autocommit=True
    ) as watch:
        async with asyncio.timeout(SOON_S):
            while True:
                cursor = await watch.execute(WAITING, [connection.info.backend_pid])
                if row := await cursor.fetchone():
                    return int(row[0])


async def lock_of(connection: Raw) -> int:
    """The number of the one advisory lock that it has."""
    cursor = await connection.execute(
        "SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory' AND pid = %s",
        [connection.info.backend_pid],
    )
    ((high, low),) = await cursor.fetchall()
    return int(high << 32 | low) - (1 << 64 if high >> 31 else 0)


async def test_one_that_stays_blocked_keeps_no_other_waiting(
    store: Store, mine: Raw, yours: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second transaction ends without a word while the first one's end is waited for."""
    monkeypatch.setattr(module, "TURN_S", 0.05)
    await write(store, mine, "mine", "a")
    await write(store, yours, "yours", "b")
    first, second = wait_for(store, "first", "a"), wait_for(store, "second", "b")
    await waiting_for(mine)

    await yours.rollback()

    assert await second == "second"
    assert not first.done()
    await mine.rollback()
    assert await first == "first"


async def test_a_fork_waits_from_the_first_for_a_transaction_that_writes_its_key(
    store: Store, mine: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []
    try_for = module.KeyWaits._try

    async def noted(self: Any, session: Any, wait: Any, seconds: float) -> None:
        tries.append(seconds)
        await try_for(self, session, wait, seconds)

    monkeypatch.setattr(module.KeyWaits, "_try", noted)
    await submit(store, new_run("source", owner=None))
    await write(store, mine, "mine", "a")
    new = NewFork("fork", "source", WORKFLOW, "v", "{}", "a", "t", None, [], NOW)
    fork = asyncio.create_task(store.fork(new, act("x")))
    await waiting_for(mine)
    assert tries[0] == module.TURN_S  # it is not tried as if its key were free

    await mine.rollback()
    assert await fork == "fork"


async def test_each_gets_its_turn_whatever_the_locks_say(
    store: Store, mine: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may take an advisory lock: that one is taken says nothing for sure."""
    monkeypatch.setattr(module, "TURN_S", 0.05)
    monkeypatch.setattr(module, "QUICK_TRY_S", 0.02)
    await write(store, mine, "mine", "a")
    lock = await lock_of(mine)
    await mine.rollback()
    await mine.execute("SELECT pg_advisory_xact_lock(%s)", [lock])

    held = await submit(store, new_run("held", owner=None, key="a"))
    assert held.held == {"held"}
    async with asyncio.timeout(SOON_S):
        assert await wait_for(store, "free", "a") == "free"  # while the lock is still taken


async def test_one_that_stays_blocked_leaves_its_turn_to_one_whose_lock_a_stranger_has(
    store: Store, mine: Raw, yours: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TURN_S", 0.05)
    await write(store, mine, "mine", "a")
    await write(store, yours, "yours", "b")
    lock = await lock_of(yours)
    await yours.rollback()
    await yours.execute("SELECT pg_advisory_xact_lock(%s)", [lock])

    first, second = wait_for(store, "first", "a"), wait_for(store, "second", "b")

    async with asyncio.timeout(SOON_S):
        assert await second == "second"
    assert not first.done()
    await mine.rollback()
    assert await first == "first"


async def test_one_that_only_seemed_to_be_free_leaves_the_others_their_turn(
    store: Store, mine: Raw, yours: Raw, postgres_schema: str
) -> None:
    """As with a transaction that an older version writes in: it takes no locks."""
    older = f"""
        INSERT INTO {postgres_schema}.cloaca_run
            (id, workflow, version, status, epoch, created_at, idempotency_key, tags, input)
        VALUES ('x', %s, 'v', 'Pending', 0, 0, 'a', '{{}}', '{{}}')
    """
    await mine.execute(older.encode(), [WORKFLOW])
    await write(store, yours, "yours", "b")
    first, second = wait_for(store, "first", "a"), wait_for(store, "second", "b")
    await waiting_for(yours)
    await yours.rollback()

    async with asyncio.timeout(SOON_S):
        assert await second == "second"
    await mine.commit()
    assert await first == "x"


async def test_a_session_that_is_lost_is_told_to_all_and_the_next_one_is_new(
    store: Store, mine: Raw
) -> None:
    await write(store, mine, "mine", "a")
    waiting = [wait_for(store, "first", "a"), wait_for(store, "second", "a")]
    pid = await waiting_for(mine)
    async with await psycopg.AsyncConnection.connect(
        mine.info.dsn, password=mine.info.password, autocommit=True
    ) as other:
        await other.execute("SELECT pg_terminate_backend(%s)", [pid])

    for each in waiting:
        with pytest.raises(StoreUnavailableError):
            await each
    again = wait_for(store, "third", "a")
    await waiting_for(mine)
    await mine.commit()
    assert await again == "mine"


async def test_a_value_that_is_refused_concerns_nobody_else(store: Store, mine: Raw) -> None:
    await write(store, mine, "mine", "a")
    waits = wait_for(store, "waits", "a")
    await waiting_for(mine)

    with pytest.raises(StoreDataError):
        await store.insert_when_free(new_run("bad", key="b")._replace(tags='{"t":"\\u0000"}'))

    await mine.commit()
    assert await waits == "mine"


async def test_nobody_who_gives_up_is_inserted_by_the_try_that_is_under_way(
    store: Store, mine: Raw
) -> None:
    await write(store, mine, "mine", "a")
    given_up = wait_for(store, "given up", "a")
    await waiting_for(mine)
    given_up.cancel()
    await asyncio.wait([given_up])
    await mine.rollback()

    assert await wait_for(store, "next", "a") == "next"
    assert [run.id for run in await store.list_runs(any_run())] == ["next"]


async def test_a_closed_store_says_so_to_those_who_wait_and_to_who_comes_then(
    store: Store, mine: Raw
) -> None:
    await write(store, mine, "mine", "a")
    waits = wait_for(store, "waits", "a")
    await waiting_for(mine)

    await store.close()

    for each in (waits, store.insert_when_free(new_run("late", key="a"))):
        with pytest.raises(StoreError, match="closed"):
            await each


async def test_others_hear_of_a_run_that_was_waited_for(
    store: Store, mine: Raw, postgres_url: str
) -> None:
    listening = await BACKEND.open(postgres_url, StoreOptions())
    await listening.wait_changed()  # it has begun to listen
    heard = asyncio.create_task(listening.wait_changed())
    await store.insert_when_free(new_run("a", key="k"))
    await asyncio.wait_for(heard, 60)
    await listening.close()


# -- turns ---------------------------------------------------------------------------------------


class Fake:
    """A session on which no key is free: a run is inserted once the test lets it, and the wait for
    that ends when it is canceled.
    """

    closed = False

    def __init__(self) -> None:
        self.limits: list[object] = []
        self.tries = asyncio.Queue[asyncio.Future[None]]()
        self.under_way: asyncio.Future[None] | None = None
        self.canceled = 0

    async def run(self, steps: Sequence[Step], _: float, **__: bool) -> Answers:
        limits = [each.params for each in steps if each.statement.name == "wait_at_most"]
        if limits:
            self.limits += [value for (value,) in limits]
            self.under_way = asyncio.get_running_loop().create_future()
            self.tries.put_nowait(self.under_way)
            await self.under_way
        return [[] for _ in steps]

    async def cancel(self, _: float) -> None:
        self.canceled += 1
        assert self.under_way is not None
        self.under_way.set_exception(failed(psycopg.errors.QueryCanceled()))

    def close(self) -> None:
        self.closed = True


def failed(cause: psycopg.Error) -> StoreUnavailableError:
    error = StoreUnavailableError("not now")
    error.__cause__ = cause
    return error


def waits_on(fake: Fake) -> module.KeyWaits:
    async def connect() -> Any:
        return fake

    return module.KeyWaits(connect, "here")


async def test_the_turns_of_one_that_is_alone_grow_up_to_a_most() -> None:
    """So a transaction that is open for hours costs the server little, and few lines of its log."""
    fake = Fake()
    waits = waits_on(fake)
    alone = asyncio.create_task(waits.write([], "a"))
    async with asyncio.timeout(SOON_S):
        for _ in range(5):
            turn = await fake.tries.get()
            turn.set_exception(failed(psycopg.errors.LockNotAvailable()))
        (await fake.tries.get()).set_result(None)
        await alone

    assert fake.limits == ["1000ms", "2000ms", "4000ms", "7000ms", "7000ms", "7000ms"]
    assert fake.canceled == 0


async def test_one_that_comes_ends_the_turn_of_one_that_was_alone_and_they_take_turns() -> None:
    fake = Fake()
    waits = waits_on(fake)
    first = asyncio.create_task(waits.write([], "a"))
    async with asyncio.timeout(SOON_S):
        (await fake.tries.get()).set_exception(failed(psycopg.errors.LockNotAvailable()))
        await fake.tries.get()
        second = asyncio.create_task(waits.write([], "b"))
        (await fake.tries.get()).set_result(None)
        await second
        assert not first.done()
        (await fake.tries.get()).set_result(None)
        await first

    assert fake.canceled == 1
    assert fake.limits == ["1000ms", "2000ms", "1000ms", "1000ms"]


async def test_free_keys_that_keep_coming_leave_the_others_their_turn(
    store: Store, mine: Raw
) -> None:
    """A stranger holds the lock of a key that no transaction writes."""
    await write(store, mine, "mine", "a")
    lock = await lock_of(mine)
    await mine.rollback()
    await mine.execute("SELECT pg_advisory_xact_lock(%s)", [lock])

    async def keep_coming(name: str) -> None:
        number = 0
        while not starved.done():
            await store.insert_when_free(new_run(f"{name}{number}", key=f"{name}{number}"))
            number += 1

    starved = wait_for(store, "starved", "a")
    others = [asyncio.create_task(keep_coming(name)) for name in "xyz"]
    async with asyncio.timeout(SOON_S):
        assert await starved == "starved"
    await asyncio.gather(*others)
