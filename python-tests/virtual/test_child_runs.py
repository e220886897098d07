"""Child runs in virtual time: at the instant of an end, the other side goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from model.quiet import quiet
from model.virtual_engine import Program, World, world
from model.virtual_time import the_loop

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.nodes.child import child
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit

pytestmark = pytest.mark.virtual_time

HOUR = 3600
EVICTED_AFTER = 10
"""Seconds, of ``evict_after_seconds``."""


class Held:
    """Commits of a program that park a run, or that tell of the end of a child, wait for a word."""

    def __init__(self, program: Program, *, parks: bool) -> None:
        self.is_held = False
        self.released = asyncio.Event()
        self._commit = program.store.commit
        self._parks = parks

    async def __call__(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        if batch.parks if self._parks else batch.ends:
            self.is_held = True
            await self.released.wait()
        return await self._commit(batch, on_commit)


def ends(registry: Registry, seconds: float) -> None:
    """The workflow ``below``, whose runs end after so long."""
    with WorkflowBuilder("below", registry=registry):

        async def nap(_: Context) -> dict[str, Any]:
            await asyncio.sleep(seconds)
            return {"from": "below"}

        task(id="nap")(nap)


def node(w: World) -> None:
    with WorkflowBuilder("flow", registry=w.registry):
        child("c", "below")


def body(w: World) -> None:
    async def flow(_: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
        return {"c": dict(await handle.run_workflow("below"))}

    w.define(flow)


@pytest.mark.parametrize("parent", [node, body])
async def test_a_parent_in_memory_goes_on_at_the_instant_of_the_end(parent: Any) -> None:
    async with world() as w:
        parent(w)
        ends(w.registry, 5)
        program = await w.start()
        begun = the_loop().time()

        ended = await program.execute()

        assert ended.row.final_context == '{"c":{"from":"below"}}'
        assert the_loop().time() - begun == pytest.approx(5, abs=0.5)


async def test_a_child_that_ends_elsewhere_while_its_parent_is_being_parked_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        node(w)
        elsewhere = Registry()
        ends(elsewhere, EVICTED_AFTER + 5)
        await w.start(registry=elsewhere)
        program = await w.start()
        held = Held(program, parks=True)
        monkeypatch.setattr(program.store, "commit", held)
        run_id = await program.submit()

        await asyncio.sleep(EVICTED_AFTER + 6)
        (below,) = [run for run in w.runs() if run.parent_id == run_id]
        assert (held.is_held, below.status) == (True, "Completed")
        held.released.set()
        await quiet()

        assert w.run(run_id).status == "Completed"


@pytest.mark.parametrize("parent", [node, body])
async def test_a_parent_that_is_parked_right_after_the_end_of_its_child_hears_of_it(
    parent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wish to park it is in the journal behind the end, of which nobody has told it yet."""
    async with world() as w:
        parent(w)
        ends(w.registry, EVICTED_AFTER - 1)
        program = await w.start()
        held = Held(program, parks=False)
        monkeypatch.setattr(program.store, "commit", held)
        run_id = await program.submit()

        await asyncio.sleep(EVICTED_AFTER + 1)
        assert held.is_held
        held.released.set()
        await quiet()

        assert w.run(run_id).status == "Completed"


async def test_a_parent_that_fails_cancels_the_one_run_that_there_is_beside_it() -> None:
    async with world() as w:
        with WorkflowBuilder("below", registry=w.registry):
            sleep("nap", seconds=HOUR)

        async def flow(_: Context, handle: AsyncTaskHandle) -> None:
            await handle.start_workflow("below")
            await asyncio.sleep(60)
            raise ValueError("no more")

        w.define(flow, retry_attempts=1)
        program = await w.start()
        begun = the_loop().time()

        ended = await program.execute()
        await quiet()

        (below,) = [run for run in w.runs() if run.parent_id == ended.row.id]
        assert (ended.row.status, below.status) == ("Failed", "Cancelled")
        assert the_loop().time() - begun == pytest.approx(60, abs=1)
