"""A lease that is kept for a day, and the few beats of a runner that owns nothing."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from model.runs import nothing
from model.virtual_engine import World, world
from model.virtual_time import the_loop
from tables import each_row

from cloaca_core.definition.context import Context
from cloaca_core.errors import StoreUnavailableError

pytestmark = pytest.mark.virtual_time

DAY = 86_400.0
LEASE = 1800.0
BEAT = 600.0
"""A lease is renewed three times while it lasts."""
MINUTE = 60.0


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


async def test_a_runner_that_owns_nothing_beats_once_a_minute() -> None:
    async with world() as w:
        program = await w.start(lease_seconds=15)
        await asyncio.sleep(MINUTE)
        program.store.beats.clear()

        await asyncio.sleep(DAY)

        beats = program.store.beats
        assert len(beats) == DAY / MINUTE
        assert {round(b - a, 6) for (a, _), (b, _) in pairwise(beats)} == {MINUTE}
        assert {round(end / 1e6 - moment, 6) for moment, end in beats} == {3 * MINUTE}


async def test_idle_runners_execute_less_than_one_statement_in_ten_seconds() -> None:
    """However many there are: their beats do not wake one another."""
    async with world() as w:
        w.define(nothing)
        programs = [await w.start(lease_seconds=15) for _ in range(4)]
        await asyncio.sleep(5 * MINUTE)
        for each in programs:
            each.store.beats.clear()
            each.store.asked.clear()
            each.store.looks = 0

        await asyncio.sleep(60 * MINUTE)

        for each in programs:
            made = len(each.store.beats) + len(each.store.asked) + each.store.looks
            assert made <= 0.1 * 60 * MINUTE


async def test_an_idle_runner_that_died_elsewhere_is_removed() -> None:
    async with world() as w:
        first, other = [await w.start(lease_seconds=15) for _ in range(2)]
        await asyncio.sleep(5 * MINUTE)

        other.store.failure = StoreUnavailableError("its machine is gone")
        await asyncio.sleep(5 * MINUTE)

        assert [row.id for row in await w.store.runners()] == [first.runner_id]


async def test_an_idle_runner_beats_once_before_it_owns_a_run_again() -> None:
    async with world() as w:
        define_sleeper(w, BEAT / 2)
        program = await w.start(lease_seconds=LEASE)
        await asyncio.sleep(DAY)
        program.store.beats.clear()
        start = the_loop().time()

        await program.execute()
        await asyncio.sleep(DAY)

        in_time = [(moment - start, end / 1e6 - moment) for moment, end in program.store.beats]
        assert in_time[:2] == [(0, LEASE), (BEAT, LEASE)]


@each_row("works", [True, False], ids=["at work", "idle"])
async def test_others_leave_it_alone_for_a_day(works: bool) -> None:
    """One of them writes now and then, so that the other one looks."""
    async with world() as w:
        define_sleeper(w, DAY)
        w.define(nothing, "other")
        program, _, third = [await w.start(lease_seconds=LEASE) for _ in range(3)]
        waiting = asyncio.create_task(program.execute()) if works else None

        for _ in range(10):
            await third.execute("other")
            await asyncio.sleep(DAY / 10)
        await asyncio.sleep(1)

        assert len(await w.store.runners()) == 3
        if waiting is not None:
            run = (await waiting).row
            assert (run.status, run.epoch, run.recoveries) == ("Completed", 1, 0)


@each_row("seconds", [-DAY, DAY], ids=["back", "forward"])
async def test_a_lease_of_before_the_clock_was_set_lasts_as_long_as_it_would_have(
    seconds: float,
) -> None:
    """Leases on a server are on its wall clock. Its next beat is late, by less than its lease, and
    meanwhile others look, since a third runner writes.
    """
    async with world() as w:
        define_sleeper(w, 20 * BEAT)
        w.define(nothing, "other")
        first, _, third = [await w.start(lease_seconds=LEASE) for _ in range(3)]
        for each in w.programs:
            each.store.read_lease_clock = w.clock.wall
        waiting = asyncio.create_task(first.execute())
        await asyncio.sleep(10 * BEAT + 1)

        w.clock.step(seconds)
        first.store.answers.clear()
        await asyncio.sleep(1.5 * BEAT)
        await third.execute("other")
        await asyncio.sleep(0.4 * BEAT)
        first.store.answers.set()

        run = (await waiting).row
        assert (run.status, run.epoch, run.recoveries) == ("Completed", 1, 0)
