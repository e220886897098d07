"""A database that is away for an hour: how often it is tried, and what is lost."""

from __future__ import annotations

import asyncio

import pytest
from model.virtual_engine import World, world
from model.virtual_time import the_loop

from cloaca_core.definition.context import Context
from cloaca_core.errors import StoreFullError, StoreUnavailableError

pytestmark = pytest.mark.virtual_time

FIRST_TRIES = [0, 0.05, 0.15, 0.35, 0.75, 1.55]
"""Seconds: pauses of 0.05, each twice as long as the one before, up to one of 0.8."""
AWAY = StoreUnavailableError("the server is away")


def define_sleeper(w: World, seconds: float) -> None:
    async def body(context: Context) -> None:
        await asyncio.sleep(seconds)

    w.define(body)


def since(start: float, moments: list[float]) -> list[float]:
    return [round(each - start, 6) for each in moments]


async def test_it_is_tried_after_ever_longer_pauses_up_to_a_second() -> None:
    """The last try that fails is 1.55 s and 3598 s after the first, the next one works."""
    async with world() as w:
        define_sleeper(w, seconds=10)
        program = await w.start()
        start = the_loop().time() + 10
        run_id = await program.submit()
        await asyncio.sleep(5)
        program.store.asked.clear()

        program.store.failure = AWAY
        the_loop().call_at(start + 3600, program.store.recover)
        ended = await program.wait(run_id)

        assert since(start, [the_loop().time()]) == [3600.55]
        assert since(start, program.store.asked) == FIRST_TRIES + [
            1.55 + each for each in range(1, 3600)
        ]
        assert ended.row.status == "Completed"
        assert [each.status for each in w.attempts(run_id)] == ["Completed"]


async def test_each_outage_begins_with_the_shortest_pause() -> None:
    async with world() as w:
        define_sleeper(w, seconds=10)
        program = await w.start()
        tries: list[list[float]] = []
        for _ in range(2):
            start = the_loop().time() + 10
            run_id = await program.submit()
            await asyncio.sleep(5)
            program.store.asked.clear()
            program.store.failure = AWAY
            the_loop().call_at(start + 1.5, program.store.recover)
            await program.wait(run_id)
            tries.append(since(start, program.store.asked))

        assert tries == [FIRST_TRIES, FIRST_TRIES]


async def test_what_is_submitted_meanwhile_is_accepted_once_it_is_back() -> None:
    async with world() as w:
        define_sleeper(w, seconds=10)
        program = await w.start()
        program.store.failure = AWAY
        start = the_loop().time()
        the_loop().call_later(3600, program.store.recover)

        run_id = await program.submit()

        # An idle runner takes its lease before it owns a run, then the run is written: each of
        # them is tried at least once a second.
        assert 3600 <= the_loop().time() - start <= 3601
        assert (await program.wait(run_id)).row.status == "Completed"


async def test_a_full_disk_refuses_new_runs_with_the_next_try_and_keeps_what_was_done() -> None:
    """The body's end is tried at 10 s, ten times in all until 15.55 s."""
    async with world() as w:
        define_sleeper(w, seconds=10)
        program = await w.start()
        start = the_loop().time()
        run_id = await program.submit()
        await asyncio.sleep(5)
        program.store.failure = StoreFullError("no space left")

        await asyncio.sleep(10)  # the body has ended meanwhile
        with pytest.raises(StoreFullError):
            await program.submit()
        assert since(start, [the_loop().time()]) == [15.55]
        program.store.recover()

        assert (await program.wait(run_id)).row.status == "Completed"
        assert [run.id for run in w.runs()] == [run_id]


async def test_runs_are_claimed_again_as_soon_as_there_is_a_connection() -> None:
    """Claims had failed for an hour, 1 s apart; the next one would come up to a second later."""
    async with world() as w:
        define_sleeper(w, seconds=10)
        other, program = await w.start(), await w.start()
        program.store.failure = AWAY
        await other.engine.pause()
        run_id = await other.submit()
        start = the_loop().time()
        await asyncio.sleep(3600.25)
        program.store.reconnect()

        await program.wait(run_id)

        assert since(start, [the_loop().time()]) == [3610.25]
