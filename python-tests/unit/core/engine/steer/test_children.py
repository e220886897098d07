"""Children follow their parents, level by level."""

from __future__ import annotations

import pytest
from model.steering_desk import SteeringDesk

from cloaca_core.conformance.rows import new_run, record, run_end, submit

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def desk() -> SteeringDesk:
    return SteeringDesk()


async def test_children_are_cancelled_until_none_is_left_and_who_waits_for_them_hears(
    desk: SteeringDesk,
) -> None:
    await desk.in_table("r")
    await submit(desk.store, new_run("c", parent="r", owner=None))
    await submit(desk.store, new_run("d", parent="c", owner=None))
    await desk.cancel("r")
    desk.told.clear()
    waits = [await desk.look() for _ in range(3)]

    assert waits[:2] == [0.0, 0.0]
    assert {run_id: desk.store.runs[run_id].status for run_id in "cd"} == {
        "c": "Cancelled",
        "d": "Cancelled",
    }
    assert desk.told.count("hear of ends") == 2


async def test_those_of_children_that_have_ended_follow_too(desk: SteeringDesk) -> None:
    await desk.in_table("r")
    await submit(desk.store, new_run("m", parent="r"))
    await submit(desk.store, new_run("d", parent="m", owner=None))
    await record(desk.store, ends=[run_end("m")])

    seen = []
    for act in (desk.pause, desk.resume, desk.cancel):
        await act("r")
        for _ in range(5):
            await desk.look()
        seen.append(desk.store.runs["d"].status)

    assert seen == ["Paused", "Pending", "Cancelled"]
