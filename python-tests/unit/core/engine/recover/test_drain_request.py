"""A runner sees once that it was asked to leave, and ignores a request about another one."""

from __future__ import annotations

import asyncio
import logging

import pytest
from model.memory_store import MemoryStore

from cloaca_core.engine.recover.drain_request import DrainRequest
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_testing.conformance.rows import runner


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    await store.register(runner("r1"))
    await store.register(runner("r2"))
    return store


class Leaver:
    """A runner that may be asked to leave; ``done`` has what it did then, in turn. It stops to
    claim when ``claim_is_over``.
    """

    def __init__(self, store: MemoryStore) -> None:
        self.done: list[str] = []
        self.stops, self.claim_is_over = asyncio.Event(), asyncio.Event()
        self.claim_is_over.set()
        self.runner_id = RunnerId("r1")
        self.request = DrainRequest(
            store, self.runner_id, self._stop_claiming, lambda: self.done.append("leaves")
        )

    async def _stop_claiming(self) -> None:
        self.stops.set()
        await self.claim_is_over.wait()
        self.done.append("claims no more")


async def test_it_is_seen_once(store: MemoryStore) -> None:
    leaver = Leaver(store)

    await leaver.request.look()
    assert leaver.done == []
    await store.drain("r2")
    await leaver.request.look()
    assert leaver.done == []
    await store.drain("r1")
    await asyncio.gather(leaver.request.look(), leaver.request.look())
    assert leaver.done == ["claims no more", "leaves"]


async def test_it_is_said_once_no_claim_is_under_way(
    store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cloaca.engine")
    leaver = Leaver(store)
    leaver.claim_is_over.clear()
    await store.drain("r1")

    looking = asyncio.create_task(leaver.request.look())
    await leaver.stops.wait()
    assert (caplog.messages, leaver.done) == ([], [])
    leaver.claim_is_over.set()
    await looking

    assert caplog.messages == ["runner r1 was asked to leave: it claims no more runs"]


async def test_a_runner_that_has_a_new_id_was_not_asked(store: MemoryStore) -> None:
    leaver = Leaver(store)
    await store.drain("r1")
    leaver.runner_id.current = "r2"

    await leaver.request.look()

    assert leaver.done == []
