"""Each runner ends a pause whose time has come; one of them does it, and only that is noted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cloaca_core.assembly.store import Store
from cloaca_core.store.protocol import StoreOptions
from cloaca_sqlite import BACKEND
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import LATER, WORKFLOW, act, new_run, runner

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await BACKEND.open(str(tmp_path / "pauses.db"), StoreOptions())
    await store.register(runner())
    yield store
    await store.close()


async def test_of_a_run(store: Store) -> None:
    await submit(store, new_run("p"))
    await store.pause(["p"], act("a"), LATER, children=True)

    first, second = [
        await store.end_pauses(["p"], act(by)._replace(now=LATER)) for by in ("b", "c")
    ]

    assert (first["p"].changed, second["p"].changed) == (True, False)
    assert second["p"].status == first["p"].status
    assert [row.id for row in await store.acts("p", 9)] == [act("b").id, act("a").id]


async def test_of_a_workflow(store: Store) -> None:
    await store.pause_workflow(WORKFLOW, act("a"), LATER)

    ended = [
        await store.end_pause_of_workflow(WORKFLOW, act(by)._replace(now=LATER))
        for by in ("b", "c")
    ]

    assert ended == [True, False]
    assert [row.id for row in await store.acts(None, 9)] == [act("b").id, act("a").id]


async def test_what_a_person_asks_for_is_noted_in_any_case(store: Store) -> None:
    await submit(store, new_run("p"))
    await store.resume(["p"], act("a"))
    await store.resume_workflow(WORKFLOW, act("b"))

    assert [row.changed for row in await store.acts(None, 9)] == [0, 0]
