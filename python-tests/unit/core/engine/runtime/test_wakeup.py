"""A loop sleeps until it has something to do, and no longer."""

from __future__ import annotations

import asyncio

import pytest
from model.quiet import quiet

from cloaca_core.engine.runtime.wakeup import Wakeup

pytestmark = pytest.mark.virtual_time


async def test_it_sleeps_for_as_long_as_it_was_told() -> None:
    acted = 0

    async def act() -> float | None:
        nonlocal acted
        acted += 1
        return 0.0

    await Wakeup().turn(act)

    assert acted == 1


async def test_without_a_time_it_sleeps_until_it_rings() -> None:
    wakeup = Wakeup()

    async def act() -> float | None:
        return None

    turn = asyncio.create_task(wakeup.turn(act))
    await quiet()
    assert not turn.done()

    wakeup.wake()
    await turn


async def test_what_rings_while_it_acts_is_not_slept_over() -> None:
    wakeup = Wakeup()

    async def act() -> float | None:
        wakeup.wake()
        return None

    await wakeup.turn(act)


async def test_what_rang_before_a_turn_is_seen_to_by_that_turn() -> None:
    wakeup = Wakeup()
    wakeup.wake()

    async def act() -> float | None:
        return None

    turn = asyncio.create_task(wakeup.turn(act))
    await quiet()
    assert not turn.done()
    turn.cancel()
