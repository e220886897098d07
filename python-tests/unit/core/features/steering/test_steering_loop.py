"""Requests reach the owner of a run, also if a commit finds them first, or the news are older."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from model.orchestration import CHAIN, PAIR
from model.runs import active_run
from model.steering_desk import SteeringDesk

from cloaca_core.features.steering.steering_loop import LATER, SOON
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.life import State

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def desk() -> SteeringDesk:
    return SteeringDesk()


async def test_a_cancel_that_others_write_is_heard_of_by_the_owner(desk: SteeringDesk) -> None:
    run = await desk.run(PAIR)
    await desk.cancel("r")
    assert desk.scene.queued() == ["a", "b"]
    await desk.look()

    assert (run.cancelled, desk.scene.queued()) == (True, [])
    assert (await desk.scene.the_end()).error_message == "cancelled by ann: a reason"


async def test_a_pause_and_a_resume_are_heard_of(desk: SteeringDesk) -> None:
    run = await desk.run(PAIR)
    desk.scene.begin()
    await desk.pause("r")
    await desk.look()
    assert (desk.scene.queued(), run.life.state) == ([], State.PAUSING)
    await desk.resume("r")
    await desk.look()
    await desk.scene.journal.commit()  # which finds that the run is still ours

    assert (desk.scene.queued(), run.life.state) == (["b"], State.ACTIVE)


async def test_a_pause_that_a_commit_meets_while_older_news_are_read_stands(
    desk: SteeringDesk,
) -> None:
    run = await desk.run(CHAIN)
    desk.scene.executor.run()
    desk.store.answers.clear()
    looking = asyncio.create_task(desk.look())
    await desk.store.asked.wait()
    desk.scene.journal.stop_requests["r"] = "Paused"
    await desk.scene.journal.commit()
    desk.store.answers.set()
    await looking

    assert (run.life.may_begin, desk.scene.queued()) == (False, [])


async def test_a_pause_after_a_resume_whose_news_are_read_stands(desk: SteeringDesk) -> None:
    run = await desk.run(PAIR)
    first = desk.scene.begin()
    await desk.pause("r")
    await desk.look()
    await desk.resume("r")
    desk.store.answers.clear()
    desk.store.asked.clear()
    looking = asyncio.create_task(desk.look())
    await desk.store.asked.wait()
    await desk.pause("r")
    desk.scene.executor.finish(first)
    desk.scene.journal.stop_requests["r"] = "Paused"
    await desk.scene.journal.commit()
    desk.store.answers.set()
    await looking

    assert (run.life.may_begin, desk.scene.queued()) == (False, [])


async def test_one_flaw_keeps_no_other_wish_from_its_run(
    desk: SteeringDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await desk.run(PAIR)
    await desk.in_table("q")
    other = active_run(PAIR)
    other.id = "q"
    desk.scene.orchestrator.adopt(other)
    steered = desk.scene.orchestrator.control
    cancel = steered.cancel

    def flawed(which: ActiveRun, *rest: Any) -> None:
        if which is other:
            raise LookupError("a flaw of ours")
        cancel(which, *rest)

    monkeypatch.setattr(steered, "cancel", flawed)
    await desk.cancel("q", "r")
    await desk.look()

    assert run.cancelled
    ends = {end.run.id: end.end for end in desk.scene.journal.waiting}
    assert ends["q"] is not None
    assert ends["q"].error_message == "internal error: LookupError('a flaw of ours')"


# -- runs that have not come -----------------------------------------------------------------------


async def test_a_run_that_is_on_its_way_is_looked_for_soon(desk: SteeringDesk) -> None:
    await desk.in_table("r")
    await desk.cancel("r")
    assert await desk.look() == SOON
    assert "lost runs" not in desk.told
    run = desk.scene.adopt(PAIR)

    assert await desk.look() is None
    assert run.cancelled


async def test_one_that_does_not_come_is_given_back(desk: SteeringDesk) -> None:
    await desk.in_table("r")
    await desk.cancel("r")
    await desk.look()

    assert await desk.look() == LATER
    assert desk.told.count("lost runs") == 1


async def test_one_under_another_epoch_has_not_come(desk: SteeringDesk) -> None:
    await desk.in_table("r")
    await desk.cancel("r")
    run = desk.scene.adopt(PAIR, epoch=3)

    assert await desk.look() == SOON
    assert not run.cancelled
