"""A store is seen by virtual time, one operation after the other."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest
from model.memory_store import MemoryStore
from model.virtual_time import VirtualClock, the_loop

from cloaca_core.assembly.store import Store
from cloaca_testing.store_view import OwnLoop, OwnThread, StoreView

pytestmark = pytest.mark.virtual_time


class SlowStore(MemoryStore):
    """Notes when an operation begins and ends, and on which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []
        self.threads: set[str] = set()

    async def runners(self) -> list[Any]:
        self.notes.append("begin")
        self.threads.add(threading.current_thread().name)
        for _ in range(3):
            await asyncio.sleep(0)
        self.notes.append("end")
        return []


def view_of(store: MemoryStore, place: OwnLoop | OwnThread) -> Store:
    return StoreView.of(cast("Store", store), place, the_loop(), VirtualClock(the_loop()))


async def test_all_times_are_those_of_the_loop() -> None:
    view = view_of(MemoryStore(), OwnLoop())
    before = (view.wall(), await view.now(), view.lease_clock())
    await asyncio.sleep(3600)
    after = (view.wall(), await view.now(), view.lease_clock())

    assert [later - earlier for earlier, later in zip(before, after, strict=True)] == [
        3_600_000_000
    ] * 3


async def test_operations_come_one_after_the_other() -> None:
    store = SlowStore()
    view = view_of(store, OwnLoop())
    await asyncio.gather(view.runners(), view.runners())

    assert store.notes == ["begin", "end"] * 2


async def test_a_database_may_have_a_thread_of_its_own() -> None:
    store, place = SlowStore(), OwnThread()
    view = view_of(store, place)
    before = the_loop().time()
    await asyncio.gather(view.runners(), view.runners())
    await place.quiesce()
    await asyncio.to_thread(place.close)

    assert store.threads == {"cloaca-engine"}
    assert the_loop().time() == before


async def test_it_waits_for_changes_until_it_is_told_to_look() -> None:
    view = view_of(MemoryStore(), OwnLoop())
    waiting = asyncio.create_task(view.wait_changed())
    await asyncio.sleep(3600)
    assert not waiting.done()
    cast("StoreView", view).look()

    await waiting


async def test_closing_it_leaves_the_database_open() -> None:
    store = MemoryStore()
    view = view_of(store, OwnLoop())
    await view.close()

    assert await view.runners() == []
    assert view.writable
