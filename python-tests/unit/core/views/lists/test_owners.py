"""Runs whose runner is gone."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from model.memory_store import MemoryStore

from cloaca_core.features.explain.facts import RunnerState
from cloaca_core.features.explain.records import RunnerLoad
from cloaca_core.views.lists.owners import without_runner
from cloaca_testing.conformance.rows import NOW, new_run, runner, submit

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.run.rows import RunRow


class Desk:
    """Knows one runner that lives and one whose process has ended; counts who asks."""

    asked = 0

    async def leases(self) -> tuple[Sequence[RunnerState], int]:
        self.asked += 1
        states = [
            RunnerState(RunnerLoad(runner("r1"), 1, owns_workflow=False), 2**62),
            RunnerState(
                RunnerLoad(runner("r2"), 1, owns_workflow=False), NOW + 1, process_ended=True
            ),
        ]
        return states, NOW


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def rows_of(store: MemoryStore, *owners: str | None) -> Sequence[RunRow]:
    """A run for each owner, named after it."""
    for owner in filter(None, owners):
        await store.register(runner(owner))
    names = [f"of {owner}" for owner in owners]
    runs = [new_run(name, owner=owner) for name, owner in zip(names, owners, strict=True)]
    await submit(store, *runs)
    return await store.runs_of(names)


async def test_those_of_a_runner_that_is_gone(desk: Desk) -> None:
    store = MemoryStore()
    rows = await rows_of(store, "r1", "r2", None)
    engine = cast("Looks", SimpleNamespace(store=store, explainer=desk))

    assert await without_runner(engine, rows) == {"of r2"}
    assert desk.asked == 1


async def test_without_an_owner_nobody_is_asked(desk: Desk) -> None:
    store = MemoryStore()
    rows = await rows_of(store, None)
    engine = cast("Looks", SimpleNamespace(store=store, explainer=desk))

    assert await without_runner(engine, rows) == frozenset()
    assert desk.asked == 0
