"""A message and its reader take turns: what comes second sees what came first.

Each test holds the lock of a run on a session of its own, lets two operations wait for it one after
the other, and lets go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from cloaca_core.assembly.store import Store
from cloaca_core.features.waits.records import TIMEOUTS
from cloaca_core.store.batch import Committed
from cloaca_core.store.messages import Sent
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import NEVER
from cloaca_postgres import BACKEND
from cloaca_testing.conformance.commits import note, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    approval,
    closed,
    decision,
    message,
    new_run,
    run_end,
    runner,
    timeout,
    wait,
)

Raw = psycopg.AsyncConnection[Any]
Asked = Coroutine[Any, Any, Any]
_WAITING = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'"""


@pytest_asyncio.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    store = await BACKEND.open(postgres_url, StoreOptions(pool_size=8))
    await store.register(runner())
    await submit(store, new_run("a"))
    yield store
    await store.close()


@pytest_asyncio.fixture
async def mine(store: Store, postgres_server: str, postgres_schema: str) -> AsyncIterator[Raw]:
    """A session in the schema of ``store``."""
    async with await psycopg.AsyncConnection.connect(postgres_server) as mine:
        await mine.execute("SELECT set_config('search_path', %s, false)", [postgres_schema])
        await mine.commit()
        yield mine


async def one_after_the_other(mine: Raw, first: Asked, second: Asked) -> tuple[Any, Any]:
    """The answers of two operations of which the first one locks the run first."""
    await mine.execute("SELECT 1 FROM cloaca_run WHERE id = 'a' FOR NO KEY UPDATE")
    async with await psycopg.AsyncConnection.connect(
        mine.info.dsn, password=mine.info.password, autocommit=True
    ) as watch:
        tasks = []
        for number, asked in enumerate((first, second), 1):
            tasks.append(asyncio.create_task(asked))
            async with asyncio.timeout(60):
                while await (await watch.execute(_WAITING)).fetchone() != (number,):
                    pass
    await mine.rollback()
    return await tasks[0], await tasks[1]


async def test_a_timeout_sees_a_message_that_came_before_it(store: Store, mine: Raw) -> None:
    await note(store, wait("a", due_at=NOW))

    _, committed = await one_after_the_other(
        mine, store.send(message("m"), 9), note(store, timeouts=[timeout(wait("a"))])
    )

    assert isinstance(committed, Committed)
    assert (committed.messages, committed.of(TIMEOUTS)) == ({"a": 1}, frozenset())


async def test_a_decision_sees_a_timeout_that_came_before_it(store: Store, mine: Raw) -> None:
    await note(store, approval("a"))

    committed, sent = await one_after_the_other(
        mine, note(store, timeouts=[timeout(approval("a"))]), store.send(decision("m"), 9)
    )

    assert isinstance(committed, Committed)
    assert committed.of(TIMEOUTS) == {timeout(approval("a"))}
    assert sent == Sent("Running", None, changed=False, refusal="decided")


@pytest.mark.parametrize("parks_first", [True, False])
async def test_a_message_beside_a_park_wakes_the_run(
    store: Store, mine: Raw, parks_first: bool
) -> None:
    await note(store, wait("a"))
    asked: list[Asked] = [store.send(message("m"), 9), park(store, "a", NEVER)]

    await one_after_the_other(mine, *asked[:: -1 if parks_first else 1])

    run = await stored(store, "a")
    assert (run.owner, run.due_at, run.status) == (None, None, RunStatus.RUNNING)
    assert [each.id for each in await store.claim("r1", [WORKFLOW], 9, LATER)] == ["a"]


async def test_a_message_after_the_end_is_refused(store: Store, mine: Raw) -> None:
    _, sent = await one_after_the_other(
        mine, record(store, ends=[run_end("a")]), store.send(message("m"), 9)
    )

    assert sent == Sent("Completed", None, changed=False, refusal="ended")
    assert await store.sent("a", 9) == []


async def test_an_end_after_a_message_leaves_it_unread(store: Store, mine: Raw) -> None:
    sent, committed = await one_after_the_other(
        mine, store.send(message("m"), 9), record(store, ends=[run_end("a")])
    )

    assert sent == Sent("Running", 1, changed=True)
    assert committed.messages == {"a": 1}
    assert [each.taken_by for each in await store.sent("a", 9)] == [None]


async def test_of_two_decisions_the_second_is_told_of_the_first(store: Store, mine: Raw) -> None:
    await note(store, approval("a"))

    sent = await one_after_the_other(
        mine, store.send(decision("m"), 9), store.send(decision("n"), 9)
    )

    assert [each.refusal for each in sent] == ["", "decided"]


async def test_a_message_to_a_child_waits_for_the_root_that_prune_locks(
    store: Store, mine: Raw
) -> None:
    await submit(store, new_run("z", parent="a"))

    sent, _ = await one_after_the_other(
        mine, store.send(message("m", "z"), 9), store.pause(["a"], act(), None, children=True)
    )

    assert sent.number == 1


async def test_a_message_that_was_read_in_between_is_not_sent_again(
    store: Store, mine: Raw
) -> None:
    await note(store, wait("a"))
    await store.send(message("m", key="k"), 9)

    _, sent = await one_after_the_other(
        mine, note(store, closed=[closed(wait("a"), "m")]), store.send(message("n", key="k"), 9)
    )

    assert sent == Sent("Running", 1, changed=False)
    assert await store.messages(["a"]) == []
