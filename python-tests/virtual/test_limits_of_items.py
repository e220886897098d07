"""Items of maps that wait for places of limits, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
from model.limited_bodies import Bodies, limited, no_place_is_left, run_all
from model.quiet import quiet
from model.virtual_engine import Program, World
from virtual.test_limits import an_act, world
from virtual.test_limits_of_runs import status_of

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.limits.limit import Limit
from cloaca_core.definition.task import task
from cloaca_core.engine.order import Order
from cloaca_core.features.limits.desk import place_desk
from cloaca_core.features.limits.records import Given, Waiter
from cloaca_core.features.maps import limited_items
from cloaca_core.run.items.units import first_item
from cloaca_core.values.limits.settings import LimitChanges

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0
PAUSE = Order("pause", "ann", None)
RESUME = Order("resume", "ann", None)


def limited_map(w: World, bodies: Bodies, items: list[Any], *limits: Any, **options: Any) -> None:
    """A workflow with a map of these items, whose bodies note which of them they are."""
    with WorkflowBuilder("map", registry=w.registry):

        @task(map=items, limits=limits, **options)
        async def each(context: Context, item: Any) -> None:
            bodies.items.append(item)
            await bodies(context)


async def test_items_that_wait_for_the_same_key_are_one_waiter() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        items = [*"aaaabbb"]
        limited_map(w, bodies, items, Limit("api", per_key=1).key("item"))
        program = await w.start()
        run_id = await program.submit("map")
        await quiet()

        waits = await w.store.limit_waits([run_id], 100)
        assert [(each.item, each.need[1], each.units) for each in waits] == [
            (0, '"a"', 3),
            (4, '"b"', 2),
        ]
        await program.wait(run_id)
        assert sorted(bodies.items) == items
        assert bodies.begun == pytest.approx(
            [0, 0, 1 * HOUR, 1 * HOUR, 2 * HOUR, 2 * HOUR, 3 * HOUR]
        )
        assert no_place_is_left(w)


async def test_keys_of_a_map_have_their_turns_in_the_order_of_its_items() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited_map(w, bodies, [*"abcdef"], Limit("api", total=1, per_key=1).key("item"))
        await run_all(await w.start(), "map")

        assert bodies.items == [*"abcdef"]


async def test_a_map_asks_once_for_the_places_of_all_its_items() -> None:
    async with world() as w:
        limited_map(w, Bodies(HOUR), list(range(20)), Limit("api", total=2))
        program = await w.start()
        asked: list[int] = []
        ask_places = program.store.ask_places

        async def noted(runner_id: str, requests: Sequence[Waiter], **more: Any) -> Given | None:
            asked.extend([each.units for each in requests])
            return await ask_places(runner_id, requests, **more)

        program.store.ask_places = noted  # type: ignore[method-assign] # to see what is asked
        await run_all(program, "map")

        assert asked == [20]


async def test_items_whose_key_has_no_place_hold_up_no_others() -> None:
    """However many they are: they do not count for max_parallel."""
    async with world() as w:
        bodies = Bodies(HOUR)
        items = ["a"] * 100 + ["b", "c"]
        limited_map(w, bodies, items, Limit("api", per_key=1).key("item"), max_parallel=3)
        program = await w.start(max_concurrent_async_tasks=4)
        await program.submit("map")
        await quiet()

        assert sorted(bodies.items) == ["a", "b", "c"]


async def test_items_share_their_line_in_turn_with_other_runs() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        api = Limit("api", total=1)
        limited_map(w, bodies, list(range(4)), api)
        limited(w, bodies, api)
        program = await w.start()
        of_map = await program.submit("map")
        await quiet()
        of_task = await program.submit("flow")
        await program.wait(of_task)

        assert bodies.items == [0, 1], "the task has its turn after one more item"
        await program.wait(of_map)
        assert no_place_is_left(w)


async def test_no_more_items_begin_than_may_though_places_are_free() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        items = [key for key in "abcdef" for _ in range(2)]
        limited_map(w, bodies, items, Limit("api", per_key=2).key("item"), max_parallel=3)
        program = await w.start()

        await run_all(program, "map")

        assert bodies.most == 3
        assert len(bodies.begun) == 12
        assert bodies.begun[-1] == pytest.approx(3 * HOUR)
        assert no_place_is_left(w)


async def test_items_that_wait_go_on_after_a_pause() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        limited_map(w, bodies, [1, 2, 3], Limit("api", total=1))
        program = await w.start()
        run_id = await program.submit("map")
        await quiet()

        await program.engine.steering.pause([run_id], PAUSE, None, children=True)
        await quiet()
        assert not w.store.limit_table.waiters
        await asyncio.sleep(2 * HOUR)
        await program.engine.steering.resume([run_id], RESUME)
        await program.wait(run_id)

        assert sorted(bodies.items) == [1, 2, 3]
        assert no_place_is_left(w)


async def test_a_map_all_of_whose_items_wait_goes_on_after_a_pause() -> None:
    """Another body keeps the run in memory, and no item that ends tells the map to go on."""
    async with world() as w:
        limit, bodies, other = Limit("api", total=1), Bodies(60), Bodies(4 * HOUR)
        limited(w, Bodies(HOUR), limit, "first")
        with WorkflowBuilder("map", registry=w.registry):
            task(id="other")(partial(Bodies.__call__, other))

            @task(map=[1, 2], limits=[limit])
            async def each(context: Context, item: int) -> None:
                await bodies(context)

        program = await w.start()
        first, run_id = [await program.submit(name) for name in ("first", "map")]
        await quiet()
        await program.engine.steering.pause([run_id], PAUSE, None, children=True)
        await program.wait(first)
        await program.engine.steering.resume([run_id], RESUME)
        await program.wait(run_id)

        assert bodies.begun == pytest.approx([HOUR, HOUR + 60], abs=1)
        assert no_place_is_left(w)


async def test_items_do_not_begin_after_a_failure_that_stops_their_map() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        with WorkflowBuilder("map", registry=w.registry):

            @task(
                map=[0, 1, 2, 3],
                limits=[Limit("api", total=2)],
                item_policy="stop",
                retry_attempts=1,
            )
            async def each(context: Context, item: int) -> None:
                bodies.items.append(item)
                if item == 0:
                    raise ValueError(item)
                await bodies(context)

        program = await w.start()
        ended = await program.execute("map")

        assert "first each[0]" in (ended.row.error_message or "")
        assert set(bodies.items) == {0, 1}
        assert no_place_is_left(w)


async def test_a_key_that_an_item_does_not_have_fails_the_map_before_any_body() -> None:
    async with world() as w:
        bodies = Bodies()
        items = [{"customer": 1}, {"customer": 2}, {}]
        limited_map(w, bodies, items, Limit("api", per_key=1).key(("item", "customer")))
        program = await w.start()

        ended = await program.execute("map")

        assert ended.row.status == "Failed"
        assert "item.customer" in (ended.row.error_message or "")
        assert "in item 2" in (ended.row.error_message or "")
        assert not bodies.begun


def noting(program: Program) -> list[list[int]]:
    """The items for which each request asks, from now on."""
    asked: list[list[int]] = []
    ask_places = program.store.ask_places

    async def noted(runner_id: str, requests: Sequence[Waiter], **more: Any) -> Given | None:
        if requests:
            asked.append([first_item(each.item) for each in requests])
        return await ask_places(runner_id, requests, **more)

    program.store.ask_places = noted  # type: ignore[method-assign] # to see what is asked
    return asked


async def test_items_ask_for_no_more_places_than_they_may_use() -> None:
    """A place that is given back has counted for a rate."""
    async with world() as w:
        limit = Limit("api", per_key=1, rate="10/s", burst=10)
        limited_map(w, Bodies(1.0), [*range(20)], limit.key("item"), max_parallel=1)
        program = await w.start()
        asked = noting(program)
        await run_all(program, "map")

        assert asked == [[item] for item in range(20)]
        assert w.store.limit_table.lines["api", ""].given == 20


async def test_many_keys_without_a_place_are_passed_over_in_few_requests() -> None:
    """And those that wait keep doing so when the run comes back."""
    async with world() as w:
        bodies, customer = Bodies(60), Limit("api", per_key=1).key("item")
        limited_map(w, bodies, [*range(16)], customer, max_parallel=1)
        with WorkflowBuilder("held", registry=w.registry):

            @task(map=[*range(15)], limits=[customer])
            async def each(context: Context, item: int) -> None:
                await asyncio.sleep(HOUR + item)

        program = await w.start(evict_after_seconds=1)
        await program.submit("held")
        await quiet()
        asked = noting(program)
        run_id = await program.submit("map")
        await quiet()

        assert [len(each) for each in asked] == [1, 2, 4, 8, 1]
        assert bodies.items == [15]
        await asyncio.sleep(HOUR / 2)
        assert status_of(w, run_id) == ("Waiting", False)
        await asyncio.sleep(HOUR / 2 + 0.5)
        assert bodies.items == [15, 0]
        waiters = [waiter for waiter, _ in w.store.limit_table.waiters.values()]
        assert all(each.runner_id is not None for each in waiters if each.run_id == run_id)
        await program.wait(run_id)
        assert (len(bodies.items), bodies.most) == (16, 1), "places that come meanwhile go back"
        assert no_place_is_left(w)


async def test_a_run_leaves_while_the_rest_of_its_items_wait() -> None:
    """The answer gave one of them a place, and the others stood in line."""
    async with world() as w:
        bodies = Bodies(HOUR)
        limited_map(w, bodies, [0, 1, 2], Limit("api", total=1))
        program = await w.start(evict_after_seconds=1)
        run_id = await program.submit("map")
        await quiet()
        await w.store.set_limit("api", LimitChanges(total=0), an_act(1))
        await asyncio.sleep(1.5 * HOUR)

        assert status_of(w, run_id) == ("Waiting", False)
        await w.store.set_limit("api", LimitChanges(total=1), an_act(2))
        await program.wait(run_id)
        assert bodies.begun == pytest.approx([0, 1.5 * HOUR, 2.5 * HOUR], abs=60)
        assert no_place_is_left(w)


async def test_a_free_key_behind_more_keys_than_are_asked_for_at_a_time_begins_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many blocked keys stand before it: each is passed over."""
    monkeypatch.setattr(limited_items, "MOST_ASKED", 2)
    async with world() as w:
        bodies, customer = Bodies(60), Limit("api", per_key=1).key("item")
        limited_map(w, bodies, [*range(8)], customer, max_parallel=1)
        with WorkflowBuilder("held", registry=w.registry):

            @task(map=[*range(7)], limits=[customer])
            async def each(context: Context, item: int) -> None:
                await asyncio.sleep(HOUR)

        program = await w.start()
        await program.submit("held")
        await quiet()
        asked = noting(program)
        await program.submit("map")
        await quiet()

        assert bodies.items == [7]
        assert [len(each) for each in asked] == [1, 2, 2, 2, 1]


async def test_free_keys_behind_those_of_several_requests_begin_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though the last request of the first question got its places."""
    monkeypatch.setattr(place_desk, "MOST_REQUESTS", 2)
    async with world() as w:
        bodies, customer = Bodies(HOUR), Limit("api", per_key=1).key("item")
        limited_map(w, bodies, [*range(6)], customer, max_parallel=4)
        with WorkflowBuilder("held", registry=w.registry):

            @task(map=[0, 1], limits=[customer])
            async def each(context: Context, item: int) -> None:
                await asyncio.sleep(2 * HOUR)

        program = await w.start()
        await program.submit("held")
        await quiet()
        await program.submit("map")
        await quiet()

        assert sorted(bodies.items) == [2, 3, 4, 5]
