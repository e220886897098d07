"""A workflow that is paused starts nothing, and goes on by itself at its instant."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from model.quiet import quiet
from model.virtual_engine import FLOW, World, at, world
from model.virtual_time import BEGINNING

from cloaca_core.definition.context import Context
from cloaca_core.engine.order import Order
from cloaca_core.values.times.instants import from_datetime

pytestmark = pytest.mark.virtual_time

PAUSE = Order("pause", "ann", "the disk is full")
RESUME = Order("resume", "ann", None)


def after(hours: float) -> datetime:
    return BEGINNING + timedelta(hours=hours)


class Begun:
    """A body of a moment, and when it began."""

    def __init__(self, w: World) -> None:
        self.at: list[datetime] = []
        self._world = w

    def __call__(self, _: Context) -> None:
        self.at.append(at(self._world.clock.wall()))


async def test_its_runs_wait_and_are_claimed_when_it_is_resumed_elsewhere() -> None:
    async with world() as w:
        body = Begun(w)
        w.define(body)
        here, elsewhere = await w.start(), await w.start()

        assert await here.engine.steering.pause_workflow(FLOW, PAUSE, None)
        assert not await elsewhere.engine.steering.pause_workflow(FLOW, PAUSE, None)
        run_id = await here.submit()
        await asyncio.sleep(5 * 3600)
        assert (w.run(run_id).status, body.at) == ("Pending", [])

        assert await elsewhere.engine.steering.resume_workflow(FLOW, RESUME)
        assert not await elsewhere.engine.steering.resume_workflow(FLOW, RESUME)
        assert (await here.wait(run_id)).row.status == "Completed"
        assert body.at == [after(5)]


async def test_a_run_in_progress_goes_on() -> None:
    async with world() as w:

        async def body(_: Context) -> None:
            await asyncio.sleep(3600)

        w.define(body)
        program = await w.start()
        run_id = await program.submit()
        await quiet()

        await program.engine.steering.pause_workflow(FLOW, PAUSE, None)

        ended = (await program.wait(run_id)).row
        assert (ended.status, at(ended.ended_at)) == ("Completed", after(1))


async def test_it_goes_on_by_itself_at_its_instant_and_the_act_is_kept() -> None:
    async with world() as w:
        body = Begun(w)
        w.define(body)
        program = await w.start()
        until = from_datetime(after(30))

        await program.engine.steering.pause_workflow(FLOW, PAUSE, until)
        await program.execute()

        assert body.at == [after(30)]
        acts = await w.store.acts(None, 9)
        assert [(act.kind, act.asked_by, act.workflow) for act in acts] == [
            ("resume", "cloaca", FLOW),
            ("pause", "ann", FLOW),
        ]
