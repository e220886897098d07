"""All that changes several runs locks schedules, the runner and the runs in one order.

So two such transactions never wait for one another. Each test holds one lock on a session of its
own, waits until an operation of the store waits for it, and sees that this one holds nothing that
comes later.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeAlias

import psycopg
import pytest
import pytest_asyncio

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Reopening
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.store.acts import ActRow
from cloaca_core.store.batch import Batch
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.states import RunStatus
from cloaca_postgres import BACKEND
from cloaca_testing.conformance.commits import fire, record, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    new_run,
    new_tick,
    noted,
    run_end,
    runner,
    schedule,
    trigger_row,
)

Raw: TypeAlias = psycopg.AsyncConnection[Any]
Operation: TypeAlias = Callable[[Store], Coroutine[Any, Any, object]]

ALL = ["scheduled", "z", "m", "a"]
ACTS: dict[str, Operation] = {
    "cancel": lambda store: store.cancel(ALL, act(), LATER, children=True),
    "pause": lambda store: store.pause(ALL, act(), None, children=True),
    "resume": lambda store: store.resume(ALL, act()),
}
GIVING_UP: dict[str, Operation] = {
    "release": lambda store: store.release("r1", []),
    "unregister": lambda store: store.unregister("r1"),
    "take over": lambda store: store.take_over("dead", 9),
}
OWNERS = {"take over": "dead"}


AT_KEYS: dict[str, Operation] = {
    "join": lambda store: store.join(new_run("c", owner=None), "key", queues=True),
    "replace": lambda store: store.replace(new_run("c", owner=None), "key", act(), LATER),
    "end": lambda store: record(
        store, ends=[run_end("a")._replace(singleton=json.dumps([WORKFLOW, "key"]))]
    ),
    "cancel": lambda store: store.cancel(["a"], act(), LATER, children=True),
    "expire": lambda store: store.expire(["b"], act()),
    "retry": lambda store: store.retry([Reopening("a", 1, {})], act()),
    "release": lambda store: store.release("r1", []),
}
"""What inserts, ends or begins again runs of a singleton key."""


@pytest_asyncio.fixture
async def store(postgres_url: str) -> AsyncIterator[Store]:
    store = await BACKEND.open(postgres_url, StoreOptions())
    yield store
    await store.close()


@pytest_asyncio.fixture
async def mine(store: Store, postgres_server: str, postgres_schema: str) -> AsyncIterator[Raw]:
    """A session in the schema of ``store``, whose transaction stays open."""
    async with await psycopg.AsyncConnection.connect(postgres_server) as mine:
        await mine.execute("SELECT set_config('search_path', %s, false)", [postgres_schema])
        await mine.commit()
        yield mine


async def blocks(mine: Raw, operation: asyncio.Task[Any]) -> None:
    """Return when a session waits for this one, which the operation has to."""
    pid = mine.info.backend_pid
    async with await psycopg.AsyncConnection.connect(
        mine.info.dsn, password=mine.info.password, autocommit=True
    ) as watch:
        statement = "SELECT 1 FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"
        async with asyncio.timeout(60):
            while not await (await watch.execute(statement, [pid])).fetchone():
                assert not operation.done(), "the operation waits for no lock"


async def owned_runs(store: Store, owner: str) -> None:
    """Runs of one owner: the last is to be cancelled, and one was made by a schedule."""
    await store.register(runner(owner))
    await store.put_schedule(schedule())
    await submit(store, *[new_run(run_id, owner=owner) for run_id in "amz"], runner_id=owner)
    await fire(store, new_tick("s", "scheduled"), runner_id=owner)
    await store.claim(owner, [WORKFLOW], 9, NOW)
    await store.cancel(["z"], act("before"), LATER, children=True)
    if owner == "dead":
        await store.fence("dead", 0)


async def lock(mine: Raw, table: str, row: str, *, wait: bool = True) -> None:
    """Lock a row; unless told to wait, fail if another session has it."""
    statement = f"SELECT 1 FROM {table} WHERE id = %s FOR NO KEY UPDATE"
    found = await mine.execute((statement if wait else f"{statement} NOWAIT").encode(), [row])
    assert await found.fetchone()


@pytest.mark.parametrize("name", [*ACTS, *GIVING_UP])
async def test_runs_are_locked_by_id(store: Store, mine: Raw, name: str) -> None:
    await owned_runs(store, OWNERS.get(name, "r1"))
    await lock(mine, "cloaca_run", "a")

    operation = asyncio.create_task((ACTS | GIVING_UP)[name](store))
    await blocks(mine, operation)

    for run_id in ("m", "scheduled", "z"):
        await lock(mine, "cloaca_run", run_id, wait=False)
    await mine.rollback()
    await operation


@pytest.mark.parametrize("name", [*ACTS, *GIVING_UP])
async def test_schedules_are_locked_before_the_runner_and_runs(
    store: Store, mine: Raw, name: str
) -> None:
    owner = OWNERS.get(name, "r1")
    await owned_runs(store, owner)
    await lock(mine, "cloaca_schedule", "s")

    operation = asyncio.create_task((ACTS | GIVING_UP)[name](store))
    await blocks(mine, operation)

    await lock(mine, "cloaca_runner", owner, wait=False)
    for run_id in ALL:
        await lock(mine, "cloaca_run", run_id, wait=False)
    await mine.rollback()
    await operation


@pytest.mark.parametrize("name", AT_KEYS)
async def test_turns_at_singleton_keys_are_taken_before_the_runner_and_runs(
    store: Store, mine: Raw, name: str
) -> None:
    await store.register(runner())
    for run_id in "ab":
        await store.join(new_run(run_id, owner=None), "key", queues=True)
    await store.claim("r1", [WORKFLOW], 9, NOW)
    if name == "release":
        await store.cancel(["a"], act("before"), LATER, children=True)
    await mine.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('singleton ' || number, applied_at)) "
        "FROM (SELECT applied_at FROM cloaca_migration WHERE number = 1) AS seed, "
        "generate_series(0, 63) AS number"
    )

    operation = asyncio.create_task(AT_KEYS[name](store))
    await blocks(mine, operation)

    await lock(mine, "cloaca_runner", "r1", wait=False)
    for run_id in "ab":
        await lock(mine, "cloaca_run", run_id, wait=False)
    await mine.rollback()
    await operation


@pytest.mark.parametrize("name", GIVING_UP)
async def test_the_runner_is_locked_before_its_runs(store: Store, mine: Raw, name: str) -> None:
    owner = OWNERS.get(name, "r1")
    await owned_runs(store, owner)
    await lock(mine, "cloaca_runner", owner)

    operation = asyncio.create_task(GIVING_UP[name](store))
    await blocks(mine, operation)

    for run_id in ALL:
        await lock(mine, "cloaca_run", run_id, wait=False)
    await mine.rollback()
    await operation


async def test_of_those_that_pause_or_resume_workflows_one_goes_on(store: Store, mine: Raw) -> None:
    """The workflow has no row to be locked, so they lock one that is always there."""
    await mine.execute("SELECT 1 FROM cloaca_migration WHERE number = 1 FOR NO KEY UPDATE")

    operation = asyncio.create_task(store.pause_workflow(WORKFLOW, act(), None))
    await blocks(mine, operation)

    await mine.rollback()
    assert await operation


async def test_children_are_forgotten_in_the_order_of_ids(store: Store, mine: Raw) -> None:
    await owned_runs(store, "r1")
    await lock(mine, "cloaca_run", "a")

    operation = asyncio.create_task(store.forget_children(ALL))
    await blocks(mine, operation)

    await lock(mine, "cloaca_run", "z", wait=False)
    await mine.rollback()
    await operation


async def test_children_are_brought_into_step_in_the_order_of_ids(store: Store, mine: Raw) -> None:
    await owned_runs(store, "r1")
    await lock(mine, "cloaca_run", "a")

    operation = asyncio.create_task(store.bring_into_step("z", ["m", "a"], act()))
    await blocks(mine, operation)

    for run_id in ("m", "z"):
        await lock(mine, "cloaca_run", run_id, wait=False)
    await mine.rollback()
    await operation


async def test_the_parent_of_a_new_run_is_locked_with_the_runs_of_its_batch(
    store: Store, mine: Raw
) -> None:
    await owned_runs(store, "r1")
    await lock(mine, "cloaca_run", "a")
    batch = Batch("r1", [new_run("child", parent="a")], [], [], {"z": 1})

    operation = asyncio.create_task(store.commit(batch))
    await blocks(mine, operation)

    await lock(mine, "cloaca_run", "z", wait=False)
    await mine.rollback()
    assert (await operation).current == {"z"}


async def test_a_detached_run_does_not_wait_for_its_parent(store: Store, mine: Raw) -> None:
    await owned_runs(store, "r1")
    await lock(mine, "cloaca_run", "a")

    committed = await submit(store, new_run("child", parent="a", detached=True))

    assert committed.owned == {"child"}


# -- trees of runs that a prune hides ------------------------------------------------------------


async def ended_tree(store: Store) -> None:
    """Run a and the run b that it has submitted; both have failed."""
    await store.register(runner("r1"))
    await submit(store, new_run("a"))
    await submit(store, new_run("b", parent="a"))
    await record(store, ends=[run_end(each, status=RunStatus.FAILED) for each in "ab"])


async def hide(mine: Raw) -> None:
    """Set a tombstone as a prune does that has not committed yet."""
    await mine.execute("SELECT 1 FROM cloaca_run WHERE id = 'a' FOR UPDATE")
    await mine.execute("INSERT INTO cloaca_tombstone (root_id, hidden_at) VALUES ('a', 1)")


async def test_a_run_that_is_begun_again_and_a_prune_take_turns(store: Store, mine: Raw) -> None:
    await ended_tree(store)
    await hide(mine)

    operation = asyncio.create_task(store.retry([Reopening("b", 1, {})], act()))
    await blocks(mine, operation)
    await mine.commit()

    assert await operation == {}


async def test_a_run_of_a_tree_and_a_prune_take_turns(store: Store, mine: Raw) -> None:
    await ended_tree(store)
    await hide(mine)

    operation = asyncio.create_task(submit(store, new_run("c", parent="b")))
    await blocks(mine, operation)
    await mine.commit()

    assert (await operation).orphans == {"c"}


async def test_a_prune_sees_what_was_begun_again(store: Store, mine: Raw) -> None:
    await ended_tree(store)
    shift = Shift("h", LATER)
    assert await store.take_upkeep(shift, NOW, LATER, LATER)
    await lock(mine, "cloaca_run", "a")
    await mine.execute("UPDATE cloaca_run SET ended_at = NULL WHERE id = 'b'")

    operation = asyncio.create_task(store.hide_trees(shift, ["a"], LATER, LATER))
    await blocks(mine, operation)
    await mine.commit()

    assert await operation == 0


async def test_schedules_are_locked_before_runs_are_deleted(store: Store, mine: Raw) -> None:
    await store.register(runner("r1"))
    await store.put_schedule(schedule())
    await fire(store, new_tick("s", "a"))
    await store.claim("r1", [WORKFLOW], 9, NOW)
    await record(store, ends=[run_end("a")])
    shift = Shift("h", LATER)
    assert await store.take_upkeep(shift, NOW, LATER, LATER)
    assert await store.hide_trees(shift, ["a"], LATER, LATER) == 1
    await lock(mine, "cloaca_schedule", "s")

    operation = asyncio.create_task(store.erase_runs(shift, ["a"]))
    await blocks(mine, operation)

    await lock(mine, "cloaca_run", "a", wait=False)
    await mine.rollback()
    assert await operation == 2


CHANGES: dict[str, tuple[str, Operation]] = {
    "of a schedule": (
        "cloaca_schedule",
        lambda store: store.change_schedule(schedule()._replace(enabled=False), noted()),
    ),
    "of a trigger": ("cloaca_trigger", lambda store: store.change_trigger(trigger_row(), noted())),
}


@pytest.mark.parametrize(("table", "change"), CHANGES.values(), ids=CHANGES)
async def test_a_change_that_comes_too_late_is_not_noted(
    store: Store, mine: Raw, table: str, change: Operation
) -> None:
    await store.put_schedule(schedule())
    await store.add_trigger(trigger_row())
    await mine.execute(f"UPDATE {table} SET generation = 1".encode())

    operation = asyncio.create_task(change(store))
    await blocks(mine, operation)
    await mine.commit()

    assert await operation is False
    assert await store.acts(None, 9) == []


@pytest.mark.parametrize(
    ("params", "kept"), [("[]", []), ("[1]", [noted()])], ids=["same", "other"]
)
async def test_a_schedule_that_is_put_is_compared_with_what_it_replaces(
    store: Store, mine: Raw, params: str, kept: list[ActRow]
) -> None:
    await store.put_schedule(schedule(name="n"))
    await mine.execute("UPDATE cloaca_schedule SET params = '[]'")

    wanted = schedule(name="n")._replace(params=params)
    operation = asyncio.create_task(store.put_schedule(wanted, noted()))
    await blocks(mine, operation)
    await mine.commit()

    assert await operation == "s"
    assert await store.acts(None, 9) == kept


QUEUED = schedule(name="n")._replace(queue="gpu")
NOTED: dict[str, Operation] = {
    "put": lambda store: store.put_schedule(QUEUED),
    "changed": lambda store: store.change_schedule(QUEUED),
}


@pytest.mark.parametrize("name", NOTED)
async def test_a_schedule_is_locked_before_its_queue_is_noted(
    store: Store, mine: Raw, name: str
) -> None:
    """A commit may lock the schedule, as a run of it ends, and note the queue of a child."""
    await store.put_schedule(schedule(name="n"))
    await lock(mine, "cloaca_schedule", "s")

    operation = asyncio.create_task(NOTED[name](store))
    await blocks(mine, operation)

    await mine.execute("SET LOCAL lock_timeout = '100ms'")  # a deadlock is found later
    queue = "INSERT INTO cloaca_queue (workflow, name) VALUES (%s, 'gpu') ON CONFLICT DO NOTHING"
    await mine.execute(queue, [WORKFLOW])
    await mine.commit()
    assert await operation
