"""Children follow their parents, level by level."""

from __future__ import annotations

import pytest
from model.steering_desk import SteeringDesk

from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import WORKFLOW, new_run, run_end

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


async def test_those_that_come_late_are_stopped_before_they_begin(desk: SteeringDesk) -> None:
    """A transaction of a user's has added them without a look at their parent."""
    for run_id in "pcq":
        await desk.in_table(run_id)
    await desk.pause("p")
    await desk.cancel("c")
    while await desk.look() == 0.0:
        pass
    for of in "pcq":
        await desk.store.insert_when_free(new_run(f"{of}-late", parent=of, key=of, owner=None))

    stopped = await desk.steering.children.stop_with_parents([f"{of}-late" for of in "pcq"])

    assert stopped == {"p-late", "c-late"}
    rows = [desk.store.runs[f"{of}-late"] for of in "pcq"]
    assert [row.status for row in rows] == ["Paused", "Cancelled", "Pending"]
    assert (rows[0].steer_reason or "").endswith("a reason (with its parent, run p)")


async def test_so_is_one_that_its_parents_pause_reaches_between_its_claim_and_that_look(
    desk: SteeringDesk,
) -> None:
    await desk.in_table("p")
    await desk.pause("p")
    await desk.store.insert_when_free(new_run("late", parent="p", key="k", owner=None))
    assert await desk.store.claim("r1", [WORKFLOW], 9, desk.store.now_is)
    while await desk.look() == 0.0:
        pass
    assert desk.store.runs["late"].owner == "r1"

    stopped = await desk.steering.children.stop_with_parents(["late"])

    assert stopped == {"late"}
    assert desk.store.runs["late"].status == "Paused"
    assert [row.kind for row in await desk.store.acts("late", 9)] == ["pause"]
