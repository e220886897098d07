"""Acts of this program reach its own runs before their calls return."""

from __future__ import annotations

import asyncio

import pytest
from model.orchestration import PAIR
from model.steering_desk import GRACE, SteeringDesk

from cloaca_core.engine.order import Order
from cloaca_core.values.times.instants import SECOND

pytestmark = pytest.mark.virtual_time

ORDER = Order("cancel", "ann", "a reason")


@pytest.fixture
async def desk() -> SteeringDesk:
    return SteeringDesk()


@pytest.mark.parametrize("kind", ["cancel", "pause"])
async def test_nothing_of_a_run_of_ours_starts_any_more_when_the_call_returns(
    desk: SteeringDesk, kind: str
) -> None:
    run = await desk.run(PAIR)
    if kind == "cancel":
        await desk.steering.cancel(["r"], ORDER, GRACE, children=True)
    else:
        await desk.steering.pause(["r"], ORDER, None, children=True)

    assert not run.life.may_begin
    assert desk.scene.queued() == []


async def test_its_deadline_is_by_the_clock_of_the_store(desk: SteeringDesk) -> None:
    """The clock of the program that asked, and that of the owner, may be wrong by hours."""
    desk.store.now_is += 3600 * SECOND
    await desk.run(PAIR)
    desk.scene.begin()
    # The orchestrator's own clock stands for that of the store in these scenes.
    desk.scene.clock.shown = desk.store.now_is
    await desk.steering.cancel(["r"], ORDER, GRACE, children=True)
    assert desk.store.marks["r"].cancel_at == desk.store.now_is + round(GRACE * SECOND)
    await asyncio.sleep(GRACE - 0.1)
    assert not desk.scene.journal.waiting
    await asyncio.sleep(0.2)
    assert desk.scene.journal.waiting
