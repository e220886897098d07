"""Submits that wait for a transaction of others: what becomes of them, however that ends."""

from __future__ import annotations

import asyncio
import logging

import pytest
from model.memory_store import MemoryStore
from model.quiet import quiet

from cloaca_core.engine.submit import held_keys as module
from cloaca_core.engine.submit.held_keys import HeldKeys
from cloaca_core.errors import (
    RunnerClosedError,
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from cloaca_core.run.rows import NewRun
from cloaca_core.store.batch import NO_ROWS, Rows
from cloaca_core.store.messages import MESSAGES, NewMessage
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import new_run

pytestmark = pytest.mark.virtual_time


class Store(MemoryStore):
    """The model, with a transaction of others that is open, and failures to come."""

    def __init__(self) -> None:
        super().__init__()
        self.free = asyncio.Event()
        self.failures: list[StoreError] = []

    async def insert_when_free(self, run: NewRun, rows: Rows = NO_ROWS) -> str:
        if self.failures:
            raise self.failures.pop(0)
        await self.free.wait()
        return await super().insert_when_free(run, rows)


@pytest.fixture
async def store() -> Store:
    return Store()


async def test_it_is_inserted_when_the_key_is_free_and_counted_until_then(store: Store) -> None:
    held = HeldKeys(store)
    waiting = asyncio.create_task(held.insert(new_run("a", key="k")))
    await quiet()
    assert (len(held), store.runs) == (1, {})

    store.free.set()

    assert await waiting == "a"
    assert len(held) == 0


async def test_its_message_comes_with_it(store: Store) -> None:
    store.free.set()
    message = NewMessage("m", "a", EVENT, "paid", "7", None, "ann", 1)

    await HeldKeys(store).insert(new_run("a", key="k"), MESSAGES.rows([message]))

    assert [each.payload for each in await store.messages(["a"])] == ["7"]


async def test_a_busy_database_is_tried_again(store: Store) -> None:
    store.free.set()
    store.failures = [StoreUnavailableError("the connection was lost")] * 3

    assert await HeldKeys(store).insert(new_run("a", key="k")) == "a"


@pytest.mark.parametrize("error", [StoreDataError("refused"), StoreFullError("no space")])
async def test_what_will_last_is_told_at_once(store: Store, error: StoreError) -> None:
    store.failures = [error]
    held = HeldKeys(store)

    with pytest.raises(type(error)):
        await held.insert(new_run("a", key="k"))
    assert len(held) == 0


async def test_one_that_is_given_up_inserts_nothing_and_leaves_the_others(store: Store) -> None:
    held = HeldKeys(store)
    given_up, waits = (asyncio.create_task(held.insert(new_run(name, key="k"))) for name in "ab")
    await quiet()

    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    store.free.set()

    assert await waits == "b"
    assert list(store.runs) == ["b"]


async def test_at_the_end_of_the_runner_all_hear_of_it_also_who_comes_then(store: Store) -> None:
    held = HeldKeys(store)
    waiting = [asyncio.create_task(held.insert(new_run(name, key="k"))) for name in "ab"]
    await quiet()

    held.fail_all(RunnerClosedError("shut down"))

    await quiet()
    assert [each.done() for each in waiting] == [True, True]
    for each in [*waiting, held.insert(new_run("c", key="k"))]:
        with pytest.raises(RunnerClosedError, match="shut down"):
            await each
    store.free.set()
    await quiet()
    assert store.runs == {}


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


async def test_an_outage_is_told_of_once_however_many_wait_and_try(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    held = HeldKeys(store)
    store.free.set()
    store.failures = [StoreUnavailableError("the server is away") for _ in range(9)]

    await asyncio.gather(*[held.insert(new_run(name, key=name)) for name in "abc"])

    assert told(caplog) == [
        "submits that wait for a key fail and are tried again: the server is away"
    ]

    store.failures = [StoreUnavailableError("away again")] * 2
    await held.insert(new_run("d", key="d"))
    assert len(told(caplog)) == 2


async def test_so_is_one_that_comes_long_after_another(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing need have succeeded in between: a submit may wait for hours."""
    monkeypatch.setattr(module, "OUTAGE_OVER_S", 0.0)
    store.free.set()
    store.failures = [StoreUnavailableError("away")] * 2

    await HeldKeys(store).insert(new_run("a", key="k"))

    assert len(told(caplog)) == 2
