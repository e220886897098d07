"""Pauses end when their time has come, by a clock that may be set."""

from __future__ import annotations

import pytest
from model.steering_desk import SteeringDesk

from cloaca_core.engine.order import Order
from cloaca_core.values.times.instants import SECOND

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def desk() -> SteeringDesk:
    return SteeringDesk()


async def test_a_pause_ends_when_its_time_has_come(desk: SteeringDesk) -> None:
    await desk.in_table("r", owner=None)
    until = desk.store.now_is + 90 * SECOND
    await desk.steering.pause(["r"], Order("pause", "ann", None), until, children=True)
    assert await desk.look() == 60  # the clock of the store may be set meanwhile
    desk.store.now_is += 40 * SECOND
    assert await desk.look() == 50
    desk.store.now_is += 50 * SECOND
    await desk.look()

    assert desk.store.runs["r"].status == "Pending"
    assert "runs came" in desk.told


async def test_a_run_that_is_paused_anew_when_its_time_has_come_stays_paused(
    desk: SteeringDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runners see the end of a pause; the second is late."""
    await desk.in_table("r", owner=None)
    await desk.steering.pause(["r"], Order("pause", "ann", None), desk.store.now_is, children=True)
    pauses_over = desk.store.pauses_over

    async def late(now: int, limit: int) -> list[str]:
        over = await pauses_over(now, limit)
        await desk.resume("r")
        await desk.pause("r")
        return over

    monkeypatch.setattr(desk.store, "pauses_over", late)
    await desk.look()

    assert desk.store.runs["r"].status == "Paused"
