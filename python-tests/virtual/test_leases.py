"""A lease that is kept for a day, and the silence of a runner that owns nothing."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from model.virtual_engine import World, world
from model.virtual_time import the_loop

from cloaca_core.definition.context import Context

pytestmark = pytest.mark.virtual_time

DAY = 86_400.0
LEASE = 600.0
BEAT = 200.0
"""A lease is renewed three times while it lasts."""
IDLE = 0
"""The lease end that a runner tells of when it owns nothing."""


def define_sleeper(w: World, seconds: float) -> None:
    async def body(context: Context) -> None:
        await asyncio.sleep(seconds)

    w.define(body)


async def test_a_runner_with_a_run_beats_three_times_a_lease_all_day() -> None:
    async with world() as w:
        define_sleeper(w, DAY)
        program = await w.start(lease_seconds=LEASE)

        await program.execute()

        beats = [moment for moment, _ in program.store.beats]
        assert len(beats) == DAY / BEAT
        gaps = {round(b - a, 6) for a, b in pairwise(beats)}
        assert gaps == {BEAT}
        ends = [round(end / 1e6 - moment, 6) for moment, end in program.store.beats]
        assert set(ends) == {LEASE}


async def test_a_runner_that_owns_nothing_says_so_once_and_beats_no_more() -> None:
    async with world() as w:
        define_sleeper(w, BEAT / 2)
        program = await w.start(lease_seconds=LEASE)
        await program.execute()

        await asyncio.sleep(DAY)

        assert [end for _, end in program.store.beats] == [IDLE]


async def test_an_idle_runner_beats_once_before_it_owns_a_run_again() -> None:
    async with world() as w:
        define_sleeper(w, BEAT / 2)
        program = await w.start(lease_seconds=LEASE)
        await asyncio.sleep(DAY)
        program.store.beats.clear()
        start = the_loop().time()

        await program.execute()
        await asyncio.sleep(DAY)

        assert program.store.beats == [
            (start, round((start + LEASE) * 1e6)),
            (start + BEAT, IDLE),
        ]


@pytest.mark.parametrize("works", [True, False], ids=["at work", "idle"])
async def test_another_runner_leaves_it_alone_for_a_day(works: bool) -> None:
    async with world() as w:
        define_sleeper(w, DAY)
        program = await w.start(lease_seconds=LEASE)
        await w.start(lease_seconds=LEASE)
        waiting = asyncio.create_task(program.execute()) if works else None

        await asyncio.sleep(DAY + 1)

        assert len(await w.store.runners()) == 2
        if waiting is not None:
            run = (await waiting).row
            assert (run.status, run.epoch, run.recoveries) == ("Completed", 1, 0)


@pytest.mark.parametrize("seconds", [-DAY, DAY], ids=["back", "forward"])
async def test_a_clock_that_is_set_by_a_day_costs_nobody_a_run(seconds: float) -> None:
    """Leases on a server are on its wall clock. Nobody has beaten since, when another one looks."""
    async with world() as w:
        define_sleeper(w, DAY)
        first = await w.start(lease_seconds=LEASE)
        second = await w.start(lease_seconds=LEASE)
        for each in (first, second):
            each.store.read_lease_clock = w.clock.wall
        waiting = asyncio.create_task(first.execute())
        await asyncio.sleep(DAY / 2)

        w.clock.step(seconds)
        await asyncio.sleep(DAY / 2 + 1)

        run = (await waiting).row
        assert (run.status, run.epoch, run.recoveries) == ("Completed", 1, 0)
