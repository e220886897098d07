"""Events of triggers become runs, each event once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from unit.triggering import Part, Store

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.inputs.params import workflow_params
from cloaca_core.definition.task import task
from cloaca_core.definition.triggers.result import TriggerResult
from cloaca_core.errors import InputError, StoreFullError
from cloaca_core.features.triggers import event_writer
from cloaca_core.features.triggers.records import EVENTS, TriggerRow
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit

pytestmark = pytest.mark.asyncio
Fire = Callable[..., Any]
fire = TriggerResult.fire


@pytest.fixture
def store() -> Store:
    return Store()


@pytest_asyncio.fixture
async def part(store: Store) -> AsyncIterator[Part]:
    opened = Part(store)
    opened.define(bool, allow_concurrent=True)
    await opened.poll()
    yield opened
    await opened.close()


def row(store: Store) -> TriggerRow:
    (found,) = store.triggers.values()
    return found


def numbers(store: Store) -> list[int]:
    return [context["n"] for context in store.inputs()]


async def test_each_result_makes_a_run_in_one_commit(store: Store, part: Part) -> None:
    store.asked.clear()

    await part.loop._events.fire(row(store), [fire({"n": n}) for n in range(3)])

    assert numbers(store) == [0, 1, 2]
    assert store.asked["commit"] == 1


async def test_many_are_committed_in_parts(
    store: Store, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_writer, "EVENTS_PER_COMMIT", 2)
    store.asked.clear()

    await part.loop._events.fire(row(store), [fire({"n": n}) for n in range(5)])

    assert numbers(store) == [0, 1, 2, 3, 4]
    assert store.asked["commit"] == 3


async def test_a_run_knows_the_version_of_its_workflow(store: Store, part: Part) -> None:
    with WorkflowBuilder("orders", registry=part.registry) as builder:

        @task
        def take(context: Context) -> None: ...

    await part.loop._events.fire(row(store), [fire()])

    assert [run.version for run in store.runs.values()] == [builder.workflow.version]


async def test_a_key_makes_one_run_and_soon_no_statement(store: Store, part: Part) -> None:
    write = part.loop._events.fire
    results = [fire({"n": n}, idempotency_key=f"k{n}") for n in range(3)]
    await write(row(store), results[:2])
    assert numbers(store) == [0, 1]

    await write(row(store), results)
    assert numbers(store) == [0, 1, 2]

    await write(row(store), results)  # now the last one is seen to be there
    store.asked.clear()
    await write(row(store), results)
    assert not store.asked


async def test_another_runner_knows_the_keys_as_well(store: Store, part: Part) -> None:
    results = [fire({"n": 1}, idempotency_key="k")]
    await part.loop._events.fire(row(store), results)
    other = Part(store)

    await other.loop._events.fire(row(store), results)

    assert numbers(store) == [1]
    await other.close()


async def test_a_key_that_was_left_out_for_an_active_run_comes_later(store: Store) -> None:
    part = Part(store)
    part.define(bool)
    await part.poll()
    write = part.loop._events.fire
    results = [fire({"n": 1}, idempotency_key=key) for key in ("a", "b")]

    await write(row(store), results)
    await write(row(store), results)
    assert numbers(store) == [1]
    await store.end_all()
    await write(row(store), results)

    assert numbers(store) == [1, 1]
    await part.close()


async def test_it_remembers_no_more_keys_than_a_poll_gives(store: Store, part: Part) -> None:
    write = part.loop._events.fire
    for n in range(4):
        await write(row(store), [fire(idempotency_key=f"{n}"), fire(idempotency_key=f"{n + 1}")])

    assert part.loop._events._known == {row(store).id: {"3"}}


async def test_one_that_is_too_large_is_told_of_and_the_others_are_fired(store: Store) -> None:
    part = Part(store, max_context_bytes=1024)
    part.define(bool, allow_concurrent=True)
    await part.poll()

    write = part.loop._events.fire
    refused = await write(row(store), [fire({"n": "x" * 2000}), fire({"n": 1})])

    assert numbers(store) == [1]
    assert [str(error).startswith("context is ") for error in refused] == [True]
    assert await write(row(store), [fire({"n": 2})]) == []
    await part.close()


async def test_a_context_that_its_workflow_does_not_take_is_refused_and_the_others_are_fired(
    store: Store, part: Part
) -> None:
    with WorkflowBuilder("orders", registry=part.registry) as builder:
        builder.input(workflow_params(n=int))
        task(id="a")(lambda context: None)

    refused = await part.loop._events.fire(row(store), [fire({"n": "x"}), fire({"n": 1})])

    assert numbers(store) == [1]
    assert list(map(str, refused)) == ['n: expected an integer, got "x"']
    assert list(map(type, refused)) == [InputError]


async def test_what_is_fired_after_a_shutdown_began_is_dropped(store: Store, part: Part) -> None:
    part.loop.drain()

    await part.loop._events.fire(row(store), [fire()])

    assert store.inputs() == []


async def test_who_fires_hears_that_no_space_is_left() -> None:
    class Full(Store):
        async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            if batch.of(EVENTS):
                raise StoreFullError("no space")
            return await super().commit(batch, on_commit)

    store = Full()
    part = Part(store)
    part.define(bool)
    await part.poll()

    with pytest.raises(StoreFullError):
        await part.loop._events.fire(row(store), [fire()])

    await part.close()
