"""How many runs have a place, and when another one may come."""

from __future__ import annotations

import asyncio

import pytest
from model.quiet import quiet
from model.runs import active_run, attempt_of, graph_of

from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
from cloaca_core.engine.orchestrate.capacity import Capacity

GRAPH = graph_of(a={}, b={})


@pytest.fixture
def runs() -> ActiveRuns:
    return ActiveRuns()


@pytest.fixture
async def capacity(runs: ActiveRuns) -> Capacity:
    return Capacity(3, runs)


async def test_a_run_takes_a_place(capacity: Capacity, runs: ActiveRuns) -> None:
    runs.add(active_run(GRAPH))

    assert (capacity.free(), capacity.is_in_use()) == (2, True)


async def test_one_that_only_waits_for_others_takes_none(
    capacity: Capacity, runs: ActiveRuns
) -> None:
    run = active_run(GRAPH)
    runs.add(run)
    runs.begin(attempt_of(run))
    runs.go_away(run)

    assert (capacity.free(), capacity.is_in_use()) == (3, True)


async def test_one_that_is_on_its_way_takes_one_until_it_has_arrived(capacity: Capacity) -> None:
    capacity.expect(2)
    assert (capacity.free(), capacity.is_in_use()) == (1, True)

    capacity.arrived(2)

    assert (capacity.free(), capacity.is_in_use()) == (3, False)


async def test_a_claim_that_fails_keeps_no_place(capacity: Capacity) -> None:
    def fail() -> None:
        with capacity.expecting(2):
            raise OSError(f"{capacity.free()} is free")

    with pytest.raises(OSError, match="1 is free"):
        fail()

    assert capacity.free() == 3


async def test_there_are_never_fewer_than_none(capacity: Capacity) -> None:
    """A body of ours that waits for its child may take it on by right."""
    capacity.expect(5)

    assert capacity.free() == 0


async def test_whoever_waits_goes_on_when_there_are_enough(capacity: Capacity) -> None:
    capacity.expect(3)
    waiting = asyncio.create_task(capacity.wait_until(lambda: capacity.free() >= 2))
    await quiet()
    done = []
    for _ in range(2):
        capacity.arrived(1)
        capacity.changed()
        await quiet()
        done.append(waiting.done())

    assert done == [False, True]


async def test_nobody_waits_for_what_there_is(capacity: Capacity) -> None:
    await capacity.wait_until(lambda: capacity.free() >= 3)


async def test_what_is_gone_again_is_waited_for_again(capacity: Capacity) -> None:
    capacity.expect(3)
    waiting = asyncio.create_task(capacity.wait_until(lambda: capacity.free() >= 1))
    await quiet()
    capacity.arrived(1)
    capacity.changed()
    capacity.expect(1)
    await quiet()
    assert not waiting.done()

    capacity.arrived(1)
    capacity.changed()
    await waiting


async def test_a_caller_that_is_awake_already_is_not_asked_by_each_run_that_ends(
    capacity: Capacity,
) -> None:
    asked: list[int] = []

    def is_enough() -> bool:
        asked.append(capacity.free())
        return asked[-1] > 0

    capacity.expect(3)
    waiting = asyncio.create_task(capacity.wait_until(is_enough))
    await quiet()
    for _ in range(3):
        capacity.arrived(1)
        capacity.changed()
    await waiting

    assert asked == [0, 1, 3]
