"""A database is looked at without an engine, until it is closed."""

from __future__ import annotations

import pytest
from model.memory_store import MemoryStore

from cloaca_core.assembly.engine import Engine
from cloaca_core.assembly.onlooker import Looks, Onlooker
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.registry import Registry
from cloaca_core.errors import RunnerClosedError
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run, runner

NEEDED = ("store", "reader", "definitions", "explainer")


@pytest.fixture
async def store() -> MemoryStore:
    store = MemoryStore()
    await store.register(runner("r1"))
    await submit(store, new_run("r"))
    return store


@pytest.fixture
def onlooker(store: MemoryStore) -> Onlooker:
    return Onlooker(store, DefaultRunnerConfig(), Registry())


async def test_it_reads_runs_and_says_why_they_are_as_they_are(onlooker: Looks) -> None:
    row = await onlooker.reader.get_run("r")

    assert await onlooker.reader.definition(row) is None
    assert (await onlooker.explainer.facts("r")).here is None
    assert [each.load.row.id for each in await onlooker.explainer.runners()] == ["r1"]
    assert await onlooker.definitions.newest(row.workflow) is None


async def test_an_engine_has_all_that_it_has() -> None:
    assert [name for name in (*NEEDED, "registry", "config") if not hasattr(Onlooker, name)] == [
        "registry",
        "config",  # attributes
    ]
    assert [name for name in NEEDED if not hasattr(Engine, name)] == []


async def test_after_the_end_it_answers_nothing(
    onlooker: Onlooker, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[None] = []

    async def close() -> None:
        closed.append(None)

    monkeypatch.setattr(onlooker.store, "close", close)
    await onlooker.shutdown()
    await onlooker.shutdown()

    assert closed == [None]
    for name in NEEDED:
        with pytest.raises(RunnerClosedError):
            getattr(onlooker, name)
