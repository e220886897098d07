"""A runner sees once that it was asked to leave, and heeds no wish about another one."""

from __future__ import annotations

import pytest
from model.memory_store import MemoryStore

from cloaca_core._engine.recover.drain_wish import DrainWish
from cloaca_core._engine.recover.runner_id import RunnerId
from cloaca_core.conformance.rows import runner


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    await store.register(runner("r1"))
    await store.register(runner("r2"))
    return store


async def test_it_is_seen_once(store: MemoryStore) -> None:
    seen: list[None] = []
    wish = DrainWish(store, RunnerId("r1"), lambda: seen.append(None))

    await wish.look()
    assert seen == []
    await store.drain("r2")
    await wish.look()
    assert seen == []
    await store.drain("r1")
    await wish.look()
    await wish.look()
    assert seen == [None]


async def test_a_runner_that_has_a_new_id_was_not_asked(store: MemoryStore) -> None:
    seen: list[None] = []
    runner_id = RunnerId("r1")
    wish = DrainWish(store, runner_id, lambda: seen.append(None))
    await store.drain("r1")
    runner_id.current = "r2"

    await wish.look()

    assert seen == []
