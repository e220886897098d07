"""When a runner looks whether old runs are to go."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from model.virtual_time import BEGINNING, VirtualClock, the_loop

from cloaca_core.features.upkeep.pruner import Pruned, Sweep
from cloaca_core.features.upkeep.sweeps import FIRST_S, Sweeps

pytestmark = pytest.mark.virtual_time


class Pruner:
    """Notes when it is asked to sweep, in seconds since it was made."""

    def __init__(self, answer: Sweep) -> None:
        self.answer = answer
        self.asked_at: list[float] = []
        self._began = the_loop().time()

    async def sweep(self) -> Sweep:
        self.asked_at.append(the_loop().time() - self._began)
        return self.answer


@asynccontextmanager
async def sweeping(pruner: Pruner) -> AsyncIterator[None]:
    """Turns follow one another meanwhile."""
    clock = VirtualClock(the_loop(), BEGINNING)
    sweeps = Sweeps(pruner, clock)  # type: ignore[arg-type] # a stand-in

    async def turns() -> None:
        while True:
            await sweeps.turn()

    task = asyncio.create_task(turns())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_new_runner_waits_a_while_and_then_as_long_as_it_is_told() -> None:
    pruner = Pruner(Sweep(None, 600))
    async with sweeping(pruner):
        await asyncio.sleep(FIRST_S + 1500)

    assert pruner.asked_at == [FIRST_S, FIRST_S + 600, FIRST_S + 1200]


async def test_it_tells_of_runs_that_went(caplog: pytest.LogCaptureFixture) -> None:
    pruner = Pruner(Sweep(Pruned(runs=3, rows=9), 600))
    with caplog.at_level(logging.INFO, "cloaca.engine"):
        async with sweeping(pruner):
            await asyncio.sleep(FIRST_S + 1)

    assert caplog.messages == ["pruned 3 runs that ended long ago, 9 rows"]


async def test_it_tells_nothing_of_a_sweep_without_any(caplog: pytest.LogCaptureFixture) -> None:
    pruner = Pruner(Sweep(Pruned(), 600))
    with caplog.at_level(logging.INFO, "cloaca.engine"):
        async with sweeping(pruner):
            await asyncio.sleep(FIRST_S + 1)

    assert caplog.messages == []
