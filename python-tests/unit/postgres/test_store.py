"""No claim looks past a run for good, in whichever way and process it has become claimable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.run.rows import Unserved
from cloaca_core.store.protocol import StoreOptions
from cloaca_postgres import BACKEND, dialect
from cloaca_postgres.sessions.session import Session
from cloaca_testing.conformance.commits import claimed, fire, park, record, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
)
from dev.databases.urls import for_libpq

SOON = 60.0
NEVER = 1e6


@pytest.fixture(autouse=True)
def only_what_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No claim begins with the oldest run by itself."""
    monkeypatch.setattr(dialect, "APART_S", NEVER)
    monkeypatch.setattr(dialect, "APART_POLLING_S", NEVER)


@asynccontextmanager
async def claiming(postgres_url: str) -> AsyncIterator[Store]:
    """The store of the runner ``r1``, which claims. It hears of what is committed from now on."""
    store = await BACKEND.open(postgres_url, StoreOptions())
    try:
        await asyncio.wait_for(store.wait_changed(), SOON)
        await store.register(runner("r1"))
        yield store
    finally:
        await store.close()


@pytest_asyncio.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    async with claiming(postgres_url) as store:
        yield store


@pytest_asyncio.fixture
async def other(postgres_url: str) -> AsyncIterator[Store]:
    """The store of the runner ``r2``."""
    store = await BACKEND.open(postgres_url, StoreOptions())
    await store.register(runner("r2"))
    yield store
    await store.close()


async def nothing(store: Store) -> None:
    """Prepare nothing."""


async def owned(store: Store) -> None:
    await submit(store, new_run("late", owner="r2"), runner_id="r2")


async def unregistered(store: Store) -> None:
    await store.unregister("r2")


async def released(store: Store) -> None:
    await store.release("r2", [])


async def taken_over(store: Store) -> None:
    assert await store.fence("r2", 0)
    assert await store.take_over("r2", 9) == 1


async def parked(store: Store) -> None:
    await park(store, "late", None, runner_id="r2")


async def claimed_by_other(store: Store) -> None:
    await submit(store, new_run("late", owner=None))
    assert await claimed(store, runner_id="r2") == ["late"]


async def left(store: Store) -> None:
    assert await store.release_unserved("r2", [Unserved("late", 1, "[]", 0)]) == {"late"}


async def due(store: Store) -> None:
    await submit(store, new_run("late", owner=None, due_at=NOW + 5))


async def came_due(store: Store) -> None:
    assert await store.make_due_claimable([WORKFLOW], LATER, 9) == 1


async def behind(store: Store) -> None:
    await store.put_schedule(schedule())
    first, second = new_tick("s", "first"), new_tick("s", "late", tick=NOW + 1)
    await fire(store, first, second._replace(behind="first"))
    assert await claimed(store, runner_id="r2") == ["first"]


async def ended_before(store: Store) -> None:
    end = run_end("first")._replace(schedule_id="s")
    await record(store, ends=[end], runner_id="r2")


async def in_paused_workflow(store: Store) -> None:
    await submit(store, new_run("late", owner=None))
    await store.pause_workflow(WORKFLOW, act("p"), None)


async def resumed(store: Store) -> None:
    assert await store.resume_workflow(WORKFLOW, act("q"))


async def inserted(store: Store) -> None:
    await submit(store, new_run("late", owner=None))


async def inserted_when_free(store: Store) -> None:
    await store.insert_when_free(new_run("late", owner=None, key="k"))


class Way(NamedTuple):
    """How the run ``late``, which is claimable since ``NOW`` by its row, becomes claimable."""

    prepare: Callable[[Store], Awaitable[None]]
    act: Callable[[Store], Awaitable[None]]


WAYS = [
    Way(owned, released),
    Way(owned, unregistered),
    Way(owned, taken_over),
    Way(owned, parked),
    Way(claimed_by_other, left),
    Way(due, came_due),
    Way(behind, ended_before),
    Way(in_paused_workflow, resumed),
    Way(nothing, inserted),
    Way(nothing, inserted_when_free),
]


async def claim_all(store: Store) -> None:
    """Claim until none is left: the marks are shortly before now."""
    await claimed(store)
    assert not await store.has_claimable("r1", [WORKFLOW])


async def claim_when_told(store: Store) -> list[str]:
    """Claim once the store has heard of runs."""
    async with asyncio.timeout(SOON):
        while not await store.has_claimable("r1", [WORKFLOW]):
            await store.wait_changed()
        return await claimed(store)


async def test_a_run_that_became_claimable_behind_the_marks_is_claimed_at_once(
    store: Store,
) -> None:
    await store.register(runner("r2"))
    await owned(store)
    await claim_all(store)
    await released(store)

    assert await claimed(store) == ["late"]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.act.__name__)
async def test_a_run_that_became_claimable_in_another_process_is_claimed_when_that_is_told(
    postgres_url: str, other: Store, way: Way
) -> None:
    await way.prepare(other)
    async with claiming(postgres_url) as store:  # which has not been told of what was prepared
        await claim_all(store)
        await way.act(other)

        assert await claim_when_told(store) == ["late"]


@pytest.mark.parametrize("created_at", [NOW, None], ids=["long before", "just before"])
async def test_so_is_one_that_a_users_transaction_has_submitted(
    store: Store, postgres_url: str, created_at: int | None
) -> None:
    """It is told when that commits, which may be hours later."""
    await claim_all(store)
    assert store.outbox is not None
    instant = store.wall() if created_at is None else created_at
    connect = psycopg.AsyncConnection.connect(for_libpq(postgres_url))
    async with await connect as connection:
        run = new_run("late", owner=None, created_at=instant)
        await store.outbox.submit_awaited(connection, run)
        assert await claimed(store) == []
        await connection.commit()

    assert await claim_when_told(store) == ["late"]


async def test_a_run_that_nobody_has_told_of_is_claimed_some_seconds_later(
    postgres_url: str, postgres_server: str, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "APART_S", 0.2)
    store = await BACKEND.open(postgres_url, StoreOptions())
    await store.register(runner("r1"))
    await claim_all(store)
    insert_untold(postgres_server, postgres_schema)

    assert await claim_when_told(store) == ["late"]
    await store.close()


async def test_until_then_claims_pass_over_it(
    store: Store, postgres_server: str, postgres_schema: str
) -> None:
    """As they do over the entries that the index has of runs which were claimed."""
    await claim_all(store)
    insert_untold(postgres_server, postgres_schema)

    assert not await store.has_claimable("r1", [WORKFLOW])
    assert await claimed(store) == await claimed(store, aged=1) == []


async def test_a_store_that_may_have_missed_a_message_passes_over_nothing(
    postgres_url: str, postgres_server: str, postgres_schema: str
) -> None:
    url = f"{postgres_url}&application_name={postgres_schema}"
    store = await BACKEND.open(url, StoreOptions())
    await asyncio.wait_for(store.wait_changed(), SOON)
    await store.register(runner("r1"))
    await claim_all(store)
    insert_untold(postgres_server, postgres_schema)
    async with await psycopg.AsyncConnection.connect(postgres_server, autocommit=True) as raw:
        await raw.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = %s AND query LIKE '%%pg_stat_get_tuples%%'",
            [postgres_schema],
        )

    assert await claim_when_told(store) == ["late"]
    await store.close()


async def test_a_claim_that_failed_has_passed_over_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await submit(store, new_run("late", owner=None))

    async def lost(*_: object, **__: object) -> list[list[tuple[object, ...]]]:
        raise StoreUnavailableError("the connection was lost")

    with monkeypatch.context() as broken:
        broken.setattr(Session, "run", lost)
        with pytest.raises(StoreUnavailableError):
            await claimed(store)
        with pytest.raises(StoreUnavailableError):
            await store.has_claimable("r1", [WORKFLOW])

    assert await claimed(store) == ["late"]


async def test_a_run_that_is_forgotten_to_be_unserved_is_claimed_again(store: Store) -> None:
    await submit(store, new_run("late", owner=None))
    assert await claimed(store) == ["late"]
    await store.release_unserved("r1", [Unserved("late", 1, "[]", 0)])
    await claim_all(store)
    await store.forget_unserved("r1", [WORKFLOW])

    assert await claimed(store) == ["late"]


def insert_untold(server: str, schema: str) -> None:
    """Insert a run as a writer does that dies before its announcement."""
    statement = sql.SQL(
        "INSERT INTO {} (id, workflow, version, status, epoch, created_at, tags, input)"
        " VALUES ('late', %s, 'v', 'Pending', 0, 1, '{{}}', '{{}}')"
    )
    with psycopg.connect(server) as connection:
        table = sql.Identifier(schema, "cloaca_run")
        connection.execute(statement.format(table), [WORKFLOW])
