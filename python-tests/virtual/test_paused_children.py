"""A run that waits for its child, while both are paused for hours."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from model.quiet import quiet
from model.virtual_engine import Program, World, at, world
from model.virtual_time import BEGINNING

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.task import task
from cloaca_core.engine.order import Order
from cloaca_core.values.times.instants import from_datetime

pytestmark = pytest.mark.virtual_time

PAUSE = Order("pause", "ann", None)
RESUME = Order("resume", "ann", None)
HOUR = 3600


def after(hours: float) -> datetime:
    return BEGINNING + timedelta(hours=hours)


async def family(w: World) -> tuple[Program, str, str]:
    """A parent that may take three hours, and the child of two tasks of an hour that it waits for;
    half an hour after both have begun.
    """
    programs: list[Program] = []

    async def an_hour(_: Context) -> None:
        await asyncio.sleep(HOUR)

    async def parent(_: Context) -> None:
        request = programs[0].request("child")
        await programs[0].engine.execute(request, None)

    with WorkflowBuilder("child", registry=w.registry):
        task(id="first")(an_hour)
        task(id="second", dependencies=["first"])(an_hour)
    w.define(parent, time_limit=timedelta(hours=3))
    programs.append(await w.start())
    run_id = await programs[0].submit()
    await asyncio.sleep(HOUR / 2)
    return programs[0], run_id, _child_of(w, run_id)


def _child_of(w: World, run_id: str) -> str:
    (child,) = [run.id for run in w.runs() if run.id != run_id]
    return child


async def pause(program: Program, run_id: str, until: int | None = None) -> None:
    await program.engine.steering.pause([run_id], PAUSE, until, children=True)
    await quiet()


async def test_their_time_limits_stand_still_and_both_go_on() -> None:
    async with world() as w:
        program, parent, child = await family(w)

        await pause(program, parent)
        assert [w.run(run_id).status for run_id in (parent, child)] == ["Paused", "Paused"]
        await asyncio.sleep(9 * HOUR)
        assert w.run(child).owner is None  # its body has ended
        assert w.run(parent).owner == program.runner_id  # its body waits
        await program.engine.steering.resume([parent], RESUME)

        ended = await program.wait(parent)
        assert (ended.row.status, at(ended.row.ended_at)) == ("Completed", after(10.5))


async def test_both_go_on_at_the_end_of_the_pause() -> None:
    async with world() as w:
        program, parent, child = await family(w)

        await pause(program, parent, until=from_datetime(after(5)))

        ended = await program.wait(parent)
        assert (ended.row.status, at(ended.row.ended_at)) == ("Completed", after(6))
        assert {act.asked_by for act in await w.store.acts(child, 9)} >= {f"run {parent}"}


async def test_another_program_goes_on_where_one_stood_still_between_two_levels() -> None:
    async with world() as w:
        program, parent, child = await family(w)
        other = await w.start()
        for each in (program, other):
            each.store.answers.clear()
        # The row of the parent is marked, and its children have not been looked at.
        await w.store.pause([parent], program.engine.steering._acts.of(PAUSE), None, children=True)
        assert w.run(child).status == "Running"

        other.store.answers.set()
        other.engine.steering.loop.wake()
        await quiet()

        assert w.run(child).status == "Paused"
        program.store.answers.set()
