"""Items of maps that wait as one for places, as their runs leave memory, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from model.limited_bodies import Bodies, limited, no_place_is_left
from model.quiet import quiet
from model.virtual_engine import World
from virtual.test_limits import CANCEL, HOUR, LEASE, world
from virtual.test_limits_of_items import limited_map

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.limits.limit import Limit
from cloaca_core.definition.task import task

pytestmark = pytest.mark.virtual_time

API = Limit("api", total=1)


def in_line(w: World, run_id: str) -> list[tuple[int, str | None]]:
    """The waiters of a run: how many units each is, and the runner that has the run."""
    waiters = [each for each, _ in w.store.limit_table.waiters.values() if each.run_id == run_id]
    return [(each.units, each.runner_id) for each in waiters]


async def test_items_that_wait_as_one_leave_with_their_run_and_keep_their_order() -> None:
    """Each place is given while no runner has the run, and goes to its next item."""
    async with world() as w:
        bodies, other = Bodies(HOUR), Bodies(HOUR)
        limited_map(w, bodies, [0, 1, 2], API)
        limited(w, other, API)
        program = await w.start(evict_after_seconds=1)
        first = await program.submit("flow")
        await quiet()
        of_map = await program.submit("map")
        await asyncio.sleep(60)
        assert (w.store.runs[of_map].status, w.store.runs[of_map].owner) == ("Waiting", None)
        assert in_line(w, of_map) == [(3, None)]
        later = await program.submit("flow")

        for each in (first, later, of_map):
            await program.wait(each)

        assert bodies.items == [0, 1, 2]
        assert bodies.begun == pytest.approx([HOUR, 3 * HOUR, 4 * HOUR], abs=5)
        assert other.begun == pytest.approx([0, 2 * HOUR], abs=5)
        assert no_place_is_left(w)


async def test_a_run_parks_once_its_last_body_has_ended_and_its_items_wait() -> None:
    async with world() as w:
        bodies, other = Bodies(60.0), Bodies(HOUR)
        limited_map(w, bodies, [0, 1, 2], Limit("api", total=1))
        limited(w, other, API)
        program = await w.start(evict_after_seconds=1)
        of_map = await program.submit("map")
        await quiet()
        await program.submit("flow")
        await asyncio.sleep(150)

        assert bodies.items == [0, 1], "the task has its turn after one more item"
        assert w.store.runs[of_map].owner is None
        await program.wait(of_map)
        assert bodies.items == [0, 1, 2]
        assert no_place_is_left(w)


async def test_of_a_parked_map_those_that_find_no_room_leave_their_places() -> None:
    """Places of two keys come at once, and one item may be open at a time."""
    async with world() as w:
        bodies, other = Bodies(HOUR), Bodies(HOUR)
        key = Limit("api", per_key=1).key
        limited_map(w, bodies, [*"ab"], key("item"), max_parallel=1)
        for name in "ab":
            with WorkflowBuilder(f"hold_{name}", registry=w.registry):

                @task(limits=[key(f"key_{name}")])
                async def hold(context: Context) -> None:
                    await other(context)

        program = await w.start(evict_after_seconds=1)
        for name in "ab":
            await program.submit(f"hold_{name}", {f"key_{name}": name})
        await quiet()
        of_map = await program.submit("map")
        await asyncio.sleep(60)
        assert w.store.runs[of_map].owner is None

        await program.wait(of_map)

        assert sorted(bodies.items) == ["a", "b"]
        assert bodies.most == 1
        assert no_place_is_left(w)


async def test_a_cancelled_run_whose_items_wait_without_a_runner_stands_in_no_line() -> None:
    async with world() as w:
        bodies, other = Bodies(HOUR), Bodies(HOUR)
        limited_map(w, bodies, [0, 1, 2], API)
        limited(w, other, API)
        program = await w.start(evict_after_seconds=1)
        first = await program.submit("flow")
        await quiet()
        of_map = await program.submit("map")
        await asyncio.sleep(60)
        assert in_line(w, of_map) == [(3, None)]

        await program.engine.steering.cancel([of_map], CANCEL, 1.0, children=True)
        await program.wait(of_map)
        assert in_line(w, of_map) == []
        await program.wait(first)

        assert not bodies.items
        assert no_place_is_left(w)


async def test_items_that_wait_as_one_go_on_under_the_runner_that_takes_their_run_over() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited_map(w, bodies, [0, 1, 2], API)
        first = await w.start(lease_seconds=LEASE)
        of_map = await first.submit("map")
        await quiet()
        second = await w.start(lease_seconds=LEASE)
        first.store.answers.clear()
        await second.wait(of_map)

        assert bodies.items == [0, 0, 1, 2]
        first.store.answers.set()
        await asyncio.sleep(60)
        assert no_place_is_left(w)


async def test_items_below_a_run_that_has_their_place_begin_at_once() -> None:
    """Those of its key: the others take places."""
    async with world() as w:
        bodies = Bodies(HOUR)
        limited_map(w, bodies, [*"aaabb"], Limit("api", per_key=1).key("item"))

        async def above(_: Context, handle: AsyncTaskHandle) -> None:
            await handle.run_workflow("map")

        w.define(above, "above", of_runs=(Limit("api", per_key=1).key("who"),))
        program = await w.start()
        await program.wait(await program.submit("above", {"who": "a"}))

        assert sorted(bodies.items) == [*"aaabb"]
        assert sorted(bodies.begun) == pytest.approx([0, 0, 0, 0, HOUR], abs=5)
        assert no_place_is_left(w)
