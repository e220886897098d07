"""Limits beside slots in virtual time: no place stands idle where no slot is free."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from model.limited_bodies import Bodies, limited, no_place_is_left, run_all
from model.quiet import quiet
from model.virtual_engine import World, world
from virtual.test_limits import an_act

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.limits.limit import Limit
from cloaca_core.definition.task import task
from cloaca_core.values.limits.settings import LimitChanges

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0


def held(w: World) -> int:
    """How many places are taken."""
    return sum(line.held for line in w.store.limit_table.lines.values())


def unlimited(w: World, bodies: Bodies, name: str = "other") -> None:
    async def body(context: Context) -> None:
        await bodies(context)

    w.define(body, name)


async def test_a_runner_takes_no_more_places_than_it_has_slots() -> None:
    async with asyncio.timeout(100 * HOUR), world() as w:
        bodies = Bodies(HOUR)
        limited(w, bodies, Limit("gpu", total=50))
        program = await w.start(max_concurrent_async_tasks=4)
        ids = [await program.submit() for _ in range(12)]
        await quiet()

        assert (len(bodies.begun), held(w)) == (4, 4)
        for each in ids:
            await program.wait(each)
        assert bodies.begun == pytest.approx([0] * 4 + [HOUR] * 4 + [2 * HOUR] * 4, abs=0.01)
        assert no_place_is_left(w)


async def test_a_place_goes_to_the_runner_that_has_a_slot() -> None:
    """The other one is full of bodies without limits."""
    async with asyncio.timeout(12 * HOUR), world() as w:
        others, bodies = Bodies(3 * HOUR), Bodies(HOUR)
        unlimited(w, others)
        limited(w, bodies, Limit("gpu", total=1))
        full = await w.start(max_concurrent_async_tasks=1)
        ids = [await full.submit("other")]
        await quiet()
        ids.append(await full.submit())
        free = await w.start()
        ids.append(await free.submit())
        await quiet()

        assert len(bodies.begun) == 1
        for each in ids:
            await free.wait(each)
        assert no_place_is_left(w)


async def test_a_rate_holds_for_bodies_that_wait_for_a_slot() -> None:
    """Their starts are not saved up while the slot is taken."""
    async with asyncio.timeout(12 * HOUR), world() as w:
        others, bodies = Bodies(HOUR), Bodies()
        unlimited(w, others)
        limited(w, bodies, Limit("api", rate="1/m"))
        program = await w.start(max_concurrent_async_tasks=1)

        first = await program.submit("other")
        await quiet()
        await run_all(program, *["flow"] * 4)

        await program.wait(first)
        assert bodies.begun == pytest.approx([HOUR + 60 * n for n in range(4)], abs=0.01)
        assert no_place_is_left(w)


async def test_a_place_that_comes_while_no_slot_is_free_goes_to_the_next() -> None:
    """The body stood in line as another one of its run took the slot."""
    async with asyncio.timeout(24 * HOUR), world() as w:
        bodies, limit = Bodies(HOUR), Limit("gpu", total=1)
        limited(w, bodies, limit)
        with WorkflowBuilder("both", registry=w.registry):

            @task
            async def first(_: Context) -> None:
                """The limited body asks as soon as this one has ended."""

            @task(dependencies=[first])
            async def long(_: Context) -> None:
                await asyncio.sleep(6 * HOUR)

            @task(limits=[limit])
            async def second(context: Context) -> None:
                await bodies(context)

        free, full = await w.start(), await w.start(max_concurrent_async_tasks=1)
        ids = [await free.submit()]
        await quiet()
        ids.append(await full.submit("both"))
        await quiet()
        ids.append(await free.submit())
        for each in ids:
            await free.wait(each)

        assert bodies.begun == pytest.approx([0, HOUR, 6 * HOUR], abs=60)
        assert no_place_is_left(w)


async def test_a_body_whose_place_came_while_no_slot_was_free_has_its_turn() -> None:
    """It asked without a slot, as another body stood in line for the same. Chaos found that it was
    taken for one that stands in line, which it did not, and slept until its run's time limit.
    """
    async with asyncio.timeout(12 * HOUR), world() as w:
        others, bodies = Bodies(HOUR), Bodies()
        unlimited(w, others)
        limited(w, bodies, Limit("api", total=0))
        program = await w.start(max_concurrent_async_tasks=1)
        ids = [await program.submit()]
        await quiet()
        ids.append(await program.submit("other"))
        await quiet()
        await w.store.set_limit("api", LimitChanges(total=2), an_act(1))
        ids.append(await program.submit())
        for each in ids:
            await program.wait(each)

        assert bodies.begun == pytest.approx([HOUR, HOUR], abs=5)
        assert no_place_is_left(w)


async def test_bodies_without_limits_do_not_wait_for_a_body_that_stands_in_line() -> None:
    async with asyncio.timeout(12 * HOUR), world() as w:
        others, bodies = Bodies(), Bodies(HOUR)
        unlimited(w, others)
        limited(w, bodies, Limit("gpu", total=1))
        program = await w.start(max_concurrent_async_tasks=2)
        ids = [await program.submit() for _ in range(4)]
        await quiet()
        ids.append(await program.submit("other"))
        for each in ids:
            await program.wait(each)

        assert others.begun == pytest.approx([0], abs=0.01)
        assert no_place_is_left(w)


async def test_a_run_that_is_over_asks_for_no_place_when_a_slot_is_free() -> None:
    """Its time limit passes while its body waits for a slot in which to ask."""
    async with asyncio.timeout(12 * HOUR), world() as w:
        others, bodies = Bodies(HOUR), Bodies(HOUR)
        unlimited(w, others)
        limited(w, bodies, Limit("gpu", total=1), time_limit=timedelta(minutes=30))
        program = await w.start(max_concurrent_async_tasks=1)
        first = await program.submit("other")
        await quiet()
        ended = await program.execute()
        await program.wait(first)
        await quiet()

        assert (ended.row.status, bodies.begun) == ("Failed", [])
        assert no_place_is_left(w)
