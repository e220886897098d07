"""Registered triggers have their rows, and nothing is written that is there already."""

from __future__ import annotations

import pytest
from unit.triggering import NOON, SECOND, Store

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.trigger import trigger
from cloaca_core.errors import StoreError
from cloaca_core.features.triggers.records import TriggerRow
from cloaca_core.features.triggers.trigger_sync import TriggerSync
from cloaca_core.store.acts import ActRow
from cloaca_core.values.ids import RunIds

pytestmark = pytest.mark.asyncio
WRITES = {"add_trigger", "change_trigger"}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def registry() -> Registry:
    return Registry()


def declared(store: Store, registry: Registry) -> TriggerSync:
    return TriggerSync(store, registry, RunIds())


def define(registry: Registry, on: str | None = "orders", interval: str = "5s") -> None:
    trigger(name="t", on=on, poll_interval=interval, registry=registry)(bool)


def workflow(registry: Registry, name: str, package: str | None = None) -> None:
    with WorkflowBuilder(name, package=package, registry=registry):

        @task
        def take(context: Context) -> None: ...


def row(store: Store) -> TriggerRow:
    (found,) = store.triggers.values()
    return found


def writes(store: Store) -> int:
    return sum(store.asked[name] for name in WRITES)


async def test_a_trigger_gets_its_row_once(store: Store, registry: Registry) -> None:
    mine = declared(store, registry)
    define(registry)

    await mine.settle()
    assert (row(store).name, row(store).workflow) == ("t", "public::embedded::orders")
    store.asked.clear()
    await mine.settle()

    assert not store.asked


async def test_a_store_that_may_not_be_written_gets_none(store: Store, registry: Registry) -> None:
    define(registry)
    store.writable = False

    await declared(store, registry).settle()

    assert not store.asked


async def test_another_runner_with_the_same_trigger_writes_nothing(
    store: Store, registry: Registry
) -> None:
    define(registry)
    await declared(store, registry).settle()
    store.asked.clear()

    await declared(store, registry).settle()

    assert writes(store) == 0


async def test_a_definition_that_has_changed_changes_the_row(
    store: Store, registry: Registry
) -> None:
    mine = declared(store, registry)
    define(registry)
    await mine.settle()
    before = row(store)

    store.time = NOON + SECOND
    define(registry, interval="7s")
    await mine.settle()

    assert row(store) == before._replace(
        poll_interval_ms=7_000,
        next_poll_at=NOON + 8 * SECOND,
        updated_at=NOON + SECOND,
        generation=1,
    )


async def test_the_same_again_changes_nothing(store: Store, registry: Registry) -> None:
    mine = declared(store, registry)
    define(registry)
    await mine.settle()

    define(registry)
    await mine.settle()

    assert row(store).generation == 0


async def test_a_workflow_that_is_registered_later_is_the_one_that_is_meant(
    store: Store, registry: Registry
) -> None:
    mine = declared(store, registry)
    define(registry)
    await mine.settle()

    workflow(registry, "orders", package="shop")
    await mine.settle()

    assert row(store).workflow == "public::shop::orders"


async def test_an_ambiguous_workflow_is_told_of_once_and_fires_nothing(
    store: Store, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    mine = declared(store, registry)
    workflow(registry, "orders", package="a")
    workflow(registry, "orders", package="b")
    define(registry)

    for _ in range(2):
        await mine.settle()

    assert (row(store).workflow, row(store).next_poll_at) == (None, None)
    (record,) = caplog.records
    assert "public::a::orders or public::b::orders" in record.getMessage()


async def test_what_is_ambiguous_here_may_be_clear_elsewhere(
    store: Store, registry: Registry
) -> None:
    define(registry, on="public::a::orders")
    await declared(store, registry).settle()
    here = Registry()
    workflow(here, "orders", package="a")
    workflow(here, "orders", package="b")
    define(here)

    await declared(store, here).settle()

    assert row(store).workflow == "public::a::orders"


async def test_a_change_that_a_poll_gets_in_the_way_of_is_made_again(registry: Registry) -> None:
    class Busy(Store):
        busy = 1

        async def change_trigger(self, trigger: TriggerRow, act: ActRow | None = None) -> bool:
            if self.busy:
                self.busy -= 1
                await self.take_polls([row(self)])
            return await super().change_trigger(trigger, act)

    store = Busy()
    mine = declared(store, registry)
    define(registry)
    await mine.settle()
    define(registry, interval="7s")

    await mine.settle()

    assert (row(store).poll_interval_ms, row(store).generation) == (7_000, 2)
    store.busy = 99
    define(registry, interval="8s")
    with pytest.raises(StoreError, match="trigger 't' is changed by others all the time"):
        await mine.settle()
