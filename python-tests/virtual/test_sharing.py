"""Runners share what has not begun: one that is idle asks, and the others give half of theirs."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from model.virtual_engine import Program, World, world
from model.virtual_time import the_loop

from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.run.rows import RunRow
from cloaca_core.store.runner_rows import Sharing

pytestmark = pytest.mark.virtual_time

BODY = 10.0
"""Seconds of a body."""


def define(w: World, ran: list[str], seconds: float = BODY) -> None:
    async def body(context: Context, handle: AsyncTaskHandle) -> None:
        ran.append(handle.run_id)
        await asyncio.sleep(seconds)

    w.define(body)


async def start(w: World) -> Program:
    """A program that runs four bodies at once."""
    return await w.start(max_concurrent_async_tasks=4, lease_seconds=15)


async def all_of(program: Program, runs: int) -> float:
    """Submit so many runs and wait for all of them; the seconds that this took."""
    began = the_loop().time()
    ids = [await program.submit() for _ in range(runs)]
    for run_id in ids:
        assert (await program.engine.wait(run_id, None)).row.status == "Completed"
    return the_loop().time() - began


async def test_two_runners_take_half_the_time_of_one() -> None:
    async with world() as w:
        ran: list[str] = []
        define(w, ran)
        first, _ = [await start(w) for _ in range(2)]
        await asyncio.sleep(60)

        assert await all_of(first, 40) <= 40 * BODY / 8 + 5
        assert Counter(Counter(ran).values()) == {1: 40}


async def test_the_last_run_that_is_given_is_not_taken_back() -> None:
    """All slots for coroutines are taken here, and none of those for threads."""
    async with world() as w:
        define(w, [], seconds=6 * BODY)
        first, _ = [await start(w) for _ in range(2)]

        assert await all_of(first, 8) <= 7 * BODY


async def test_a_runner_that_comes_later_gets_its_share() -> None:
    async with world() as w:
        ran: list[str] = []
        define(w, ran)
        first = await start(w)
        waiting = asyncio.create_task(all_of(first, 40))
        await asyncio.sleep(BODY / 2)

        await start(w)

        assert await waiting <= 60
        assert Counter(Counter(ran).values()) == {1: 40}


async def test_one_that_still_works_asks_for_its_free_slots() -> None:
    async with world() as w:
        ran: list[str] = []
        define(w, ran)

        async def long(context: Context) -> None:
            await asyncio.sleep(1000)

        w.define(long, "long")
        first, second = [await start(w) for _ in range(2)]
        await second.submit("long")
        await asyncio.sleep(60)

        assert await all_of(first, 42) <= 42 * BODY / 7 + 10


async def test_what_a_dead_runner_had_is_shared_by_the_others() -> None:
    async with world() as w:
        ran: list[str] = []
        define(w, ran)
        dies = await start(w)
        ids = [await dies.submit() for _ in range(40)]
        dies.store.failure = StoreUnavailableError("its machine is gone")
        others = [await start(w) for _ in range(2)]
        began = the_loop().time()

        for run_id in ids:
            await others[0].wait(run_id)

        assert the_loop().time() - began <= 15 + 5 + 2 + 40 * BODY / 8 + BODY


async def test_a_lone_runner_gives_nothing_back() -> None:
    async with world() as w:
        ran: list[str] = []
        define(w, ran)
        alone = await start(w)

        await all_of(alone, 40)

        assert {row.epoch for row in w.store.runs.values()} == {1}


async def test_short_runs_are_not_worth_a_move() -> None:
    async with world() as w:
        ran: list[str] = []
        define(w, ran, seconds=0.01)
        first, _ = [await start(w) for _ in range(2)]
        await asyncio.sleep(60)

        await all_of(first, 600)

        assert {row.epoch for row in w.store.runs.values()} == {1}


async def test_an_ask_is_answered_once_while_its_runner_takes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others take their runs back when they have room, and do not give them again at once."""
    async with world() as w:
        ran: list[str] = []
        define(w, ran, seconds=9)
        first, second = [await start(w) for _ in range(2)]
        await asyncio.sleep(60)
        monkeypatch.setattr(second.store, "claim", _refused)

        await all_of(first, 8)

        assert Counter(row.epoch for row in w.store.runs.values()) == {1: 6, 3: 2}


async def _refused(*_: object) -> list[RunRow]:
    raise StoreUnavailableError("no claims now")


async def test_callers_hear_the_end_of_a_run_that_was_given_away() -> None:
    async with world() as w:
        ran: list[str] = []
        define(w, ran)
        first, _ = [await start(w) for _ in range(2)]
        await asyncio.sleep(60)

        ended = await asyncio.gather(*[first.execute() for _ in range(8)])

        assert [each.row.status for each in ended] == ["Completed"] * 8
        assert {row.epoch for row in w.store.runs.values()} == {1, 3}


async def test_a_runner_that_is_stopped_asks_no_more() -> None:
    async with world() as w:
        ran: list[str] = []
        define(w, ran)
        first, second = [await start(w) for _ in range(2)]
        await asyncio.sleep(60)
        assert Sharing.of(w.store.registered[second.runner_id].sharing).asked

        await second.engine.pause()
        assert not Sharing.of(w.store.registered[second.runner_id].sharing).asked
        await all_of(first, 8)

        assert {row.epoch for row in w.store.runs.values()} == {1}
