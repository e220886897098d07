"""Runs are kept for as long as it was said, and then deleted by any runner, within hours."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from model.virtual_engine import World, at, world
from model.virtual_time import BEGINNING

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.task import task
from cloaca_core.values.times.no_limit import NO_LIMIT, NoLimit

pytestmark = pytest.mark.virtual_time

LATE = timedelta(hours=1, minutes=1)
"""A sweep is due every hour."""


def nothing(_: Context) -> None:
    """Do nothing."""


def define(w: World, name: str, days: float | NoLimit | None = None) -> None:
    """A workflow of one task whose runs are kept for so many days."""
    with WorkflowBuilder(name, registry=w.registry) as builder:
        if days is not None:
            builder.retention(days)
        task(id="t")(nothing)


async def until(w: World, moment: datetime) -> None:
    """Let the wall go on, and then some hours pass, in which the runners act."""
    w.clock.step((moment - at(w.clock.wall()) - timedelta(hours=3)).total_seconds())
    await asyncio.sleep(timedelta(hours=3).total_seconds())


async def is_kept_for(w: World, days: float) -> bool:
    """Whether the runs of now are kept for so many days, and not much longer."""
    ended = at(w.clock.wall())
    await until(w, ended + timedelta(days=days))
    were_kept = bool(w.runs())
    await asyncio.sleep(LATE.total_seconds())
    return were_kept and not w.runs()


async def test_runs_go_after_ninety_days() -> None:
    async with world() as w:
        define(w, "flow")
        program = await w.start()
        await program.execute()

        assert await is_kept_for(w, 90)
        await program.execute()
        assert await is_kept_for(w, 90)


async def test_each_workflow_may_say_for_how_long() -> None:
    async with world() as w:
        define(w, "brief", 0.5)
        define(w, "ever", NO_LIMIT)
        program = await w.start(retention_days=2)
        await program.execute("brief")
        await program.execute("ever")

        await until(w, BEGINNING + timedelta(hours=12))
        assert len(w.runs()) == 2
        await asyncio.sleep(LATE.total_seconds())
        assert [run.workflow for run in w.runs()] == ["public::embedded::ever"]
        await until(w, BEGINNING + timedelta(days=1000))
        assert len(w.runs()) == 1


async def test_a_runner_without_the_workflow_prunes_by_what_was_recorded() -> None:
    async with world() as w:
        define(w, "flow", 1)
        program = await w.start()
        await program.execute()
        await program.stop()
        w.programs.clear()

        w.registry.clear()
        await w.start(retention_days=NO_LIMIT)
        assert await is_kept_for(w, 1)


async def test_nothing_goes_without_a_limit() -> None:
    async with world() as w:
        define(w, "flow")
        program = await w.start(retention_days=NO_LIMIT)
        await program.execute()

        await until(w, BEGINNING + timedelta(days=1000))
        assert len(w.runs()) == 1


async def test_ticks_go_with_their_runs_and_the_schedule_goes_on() -> None:
    async with world() as w:
        define(w, "flow")
        program = await w.start(retention_days=3)
        await program.schedule("0 0 * * *")

        for day in range(1, 30):
            await until(w, BEGINNING + timedelta(days=day))
        days = [at(tick.tick).date() for tick in w.ticks()]
        assert len(days) in (3, 4)
        assert len(w.runs()) == len(days)
        (row,) = w.store.schedules.values()
        assert row.pruned_until is not None
        assert at(row.pruned_until).date() < days[0]


async def test_any_runner_prunes() -> None:
    async with world() as w:
        define(w, "flow", 1)
        first, second = await w.start(), await w.start()
        await first.execute()
        await first.stop()
        w.programs.remove(first)

        assert await is_kept_for(w, 1)
        await second.execute()
