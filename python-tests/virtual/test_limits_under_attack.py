"""Limits of items of maps as other mechanisms meet them, in virtual time: each place goes back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from model.limited_bodies import Bodies, limited, no_place_is_left
from model.quiet import quiet
from model.virtual_engine import World
from model.virtual_time import the_loop
from virtual.test_limits import CANCEL, HOUR, LEASE, world
from virtual.test_limits_of_items import PAUSE, RESUME, limited_map

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.limits.limit import Limit
from cloaca_core.definition.task import task
from cloaca_core.engine.order import Order

pytestmark = pytest.mark.virtual_time

API = Limit("api", total=1)
RETRY = Order("retry", "ann", None)


class FailsOnce:
    """A body of items that lasts an hour. The first attempts of some items fail at once."""

    def __init__(self, *failing: Any) -> None:
        self._failing = set(failing)
        self._beginning = the_loop().time()
        self.begun: list[tuple[Any, int]] = []

    async def __call__(self, _: Context, item: Any) -> None:
        self.begun.append((item, round((the_loop().time() - self._beginning) / HOUR)))
        if item in self._failing:
            self._failing.discard(item)
            raise OSError(f"no connection for {item}")
        await asyncio.sleep(HOUR)


def define(w: World, body: Any, items: list[Any], *limits: Any, **options: Any) -> None:
    with WorkflowBuilder("map", registry=w.registry):
        task(id="each", map=items, limits=limits, **options)(body)


async def test_an_item_in_back_off_holds_no_place() -> None:
    """Its next attempt waits in line from the time at which it is due."""
    async with world() as w:
        body = FailsOnce("a")
        delay = {"retry_delay_ms": 1_800_000, "retry_max_delay_ms": 1_800_000}
        define(w, body, ["a", "b"], API, retry_attempts=2, retry_jitter=False, **delay)
        program = await w.start()
        await program.wait(await program.submit("map"))

        assert body.begun == [("a", 0), ("b", 0), ("a", 1)]
        assert no_place_is_left(w)


async def test_chosen_items_of_a_retry_take_places() -> None:
    async with world() as w:
        body = FailsOnce(0, 2, 3)
        define(w, body, [0, 1, 2, 3], API, retry_attempts=1)
        program = await w.start()
        run_id = await program.submit("map")
        await program.wait(run_id)
        begun = len(body.begun)

        retries = program.engine.steering.retries
        await retries.retry(run_id, None, RETRY, children=True, items={"each": [0, 3]})
        ended = await program.wait(run_id)

        first, second = body.begun[begun:]
        assert [first[0], second[0]] == [0, 3]
        assert second[1] - first[1] == 1
        assert ended.row.status == "Failed", "one of its items was not chosen"
        assert no_place_is_left(w)


async def test_an_item_that_sleeps_lets_the_next_begin_and_takes_all_places_again() -> None:
    async with world() as w:
        gpu, held = Limit("gpu", total=1), Bodies(3 * HOUR)
        under_way: set[int] = set()
        awake: list[int] = []

        async def each(context: Context, item: int, handle: AsyncTaskHandle) -> None:
            assert not under_way
            await handle.sleep(timedelta(hours=1))
            assert not under_way
            under_way.add(item)
            await asyncio.sleep(60)
            under_way.discard(item)
            awake.append(item)

        define(w, each, [0, 1, 2], API, gpu)
        limited(w, held, gpu)
        program = await w.start(evict_after_seconds=100 * HOUR)
        of_map = await program.submit("map")
        await quiet()
        other = await program.submit("flow")
        await program.wait(other)
        assert not awake, "one of the two places is taken"
        await program.wait(of_map)

        assert sorted(awake) == [0, 1, 2]
        assert no_place_is_left(w)


async def test_items_that_left_memory_in_a_sleep_take_their_places_again() -> None:
    async with world() as w:
        begun: list[int] = []

        async def each(context: Context, item: int, handle: AsyncTaskHandle) -> None:
            begun.append(item)
            await handle.sleep(timedelta(hours=1))
            await asyncio.sleep(60)

        define(w, each, [0, 1, 2], API)
        program = await w.start(evict_after_seconds=1)
        await program.wait(await program.submit("map"))

        assert sorted(begun) == [0, 0, 1, 1, 2, 2]
        assert no_place_is_left(w)


async def test_an_item_whose_time_limit_passes_gives_its_place_to_the_next() -> None:
    async with world() as w:
        bodies = Bodies(2 * HOUR)
        limited_map(w, bodies, [0, 1, 2], API, timeout_seconds=HOUR, retry_attempts=1)
        program = await w.start()
        ended = await program.execute("map")

        assert ended.row.status == "Failed"
        assert bodies.begun == pytest.approx([0, HOUR, 2 * HOUR], abs=5)
        assert no_place_is_left(w)


async def test_a_cancel_frees_the_places_of_items_under_way_and_of_those_in_line() -> None:
    async with world() as w:
        bodies, other = Bodies(HOUR), Bodies(60)
        limited_map(w, bodies, [*"aabbcc"], Limit("api", per_key=1, total=2).key("item"))
        limited(w, other, Limit("api", per_key=1, total=2))
        program = await w.start()
        of_map = await program.submit("map")
        await quiet()
        begun = [*bodies.items]
        assert len(set(begun)) == len(begun) == 2

        await program.engine.steering.cancel([of_map], CANCEL, 1.0, children=True)
        await program.wait(of_map)
        await program.wait(await program.submit("flow"))

        assert other.begun[0] < 60
        assert bodies.items == begun
        assert no_place_is_left(w)


async def test_no_item_of_a_lost_runner_begins_twice_under_the_next() -> None:
    """But the one under way: it had not ended. Keys and order stay as they were."""
    async with world() as w:
        bodies = Bodies(HOUR)
        api = Limit("api", per_key=1, total=2)
        limited_map(w, bodies, [*"aabb"], api.key("item"), max_parallel=2)
        first = await w.start(lease_seconds=LEASE)
        run_id = await first.submit("map")
        await asyncio.sleep(1.5 * HOUR)
        second = await w.start(lease_seconds=LEASE)
        first.store.answers.clear()
        await second.wait(run_id)

        assert sorted(bodies.items) == [*"aaabbb"]
        first.store.answers.set()
        await asyncio.sleep(60)
        assert no_place_is_left(w)


async def test_places_that_come_as_a_map_pauses_go_to_another_run() -> None:
    async with world() as w:
        bodies, other = Bodies(HOUR), Bodies(60)
        limited_map(w, bodies, [*"aab"], Limit("api", total=1, per_key=1).key("item"))
        limited(w, other, Limit("api", total=1, per_key=1))
        program = await w.start(evict_after_seconds=1)
        of_map = await program.submit("map")
        await quiet()
        await program.engine.steering.pause([of_map], PAUSE, None, children=True)
        await program.wait(await program.submit("flow"))
        assert len(bodies.items) == 1

        await program.engine.steering.resume([of_map], RESUME)
        await program.wait(of_map)
        assert sorted(bodies.items) == [*"aab"]
        assert no_place_is_left(w)
