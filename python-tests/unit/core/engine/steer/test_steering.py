"""Wishes reach the runs of their owner, however they come and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from model.memory_store import MemoryStore
from model.orchestration import CHAIN, PAIR, Scene
from model.runs import active_run

from cloaca_core._engine.observe.recorded_definitions import RecordedDefinitions
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core._engine.recover.runner_id import RunnerId
from cloaca_core._engine.steer.steering import LATER, SOON, Steering
from cloaca_core.conformance.rows import new_run, runner, submit
from cloaca_core.definition.registry import Registry
from cloaca_core.records.order import Order
from cloaca_core.records.steering import Act, News
from cloaca_core.values.clock import SYSTEM_CLOCK
from cloaca_core.values.ids import RunIds
from cloaca_core.values.instants import SECOND

pytestmark = pytest.mark.virtual_time

ORDER = Order("cancel", "ann", "a reason")
GRACE = 30.0


class SlowStore(MemoryStore):
    """Its news are as they were when they were asked for; the answer comes once ``answers`` is set.
    The test sets ``now_is``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = asyncio.Event()
        self.looks = 0
        self.now_is = 1_000_000 * SECOND

    def wall(self) -> int:
        return self.now_is

    async def now(self) -> int:
        return self.now_is

    async def news(self, runner_id: str, workflows: Collection[str], limit: int) -> News:
        self.looks += 1
        news = await super().news(runner_id, workflows, limit)
        self.asked.set()
        await self.answers.wait()
        return news


class Desk:
    """A steering whose orchestrator and store are in the test's hands."""

    def __init__(self) -> None:
        self.store = SlowStore()
        self.scene = Scene()
        self.scene.clock.shown = self.store.now_is
        self.told: list[str] = []
        self._acts = 0
        self.steering = Steering(
            self.store,
            RecordedDefinitions(self.store, Registry()),
            list,
            self.scene.orchestrator,
            RunnerId("r1"),
            RunIds(SYSTEM_CLOCK),
            lambda: self.told.append("runs came"),
            self._hear_of_ends,
            lambda: self.told.append("lost runs"),
        )

    async def _hear_of_ends(self) -> None:
        self.told.append("hear of ends")

    async def run(self, *arguments: Any, **fields: Any) -> ActiveRun:
        """A run ``r`` of this runner that goes on here."""
        await self.in_table("r")
        return self.scene.adopt(*arguments, **fields)

    async def in_table(self, run_id: str, **fields: Any) -> None:
        if "r1" not in self.store.registered:
            await self.store.register(runner("r1"))
        await submit(self.store, new_run(run_id, **fields))

    def _act(self, kind: str) -> Act:
        self._acts += 1
        because = Order(kind, "ann", "a reason").because()
        return Act(str(self._acts), "ann", "a reason", because, self.store.now_is)

    async def cancel(self, *run_ids: str) -> None:
        """Another runner writes it; so below."""
        deadline = self.store.now_is + round(GRACE * SECOND)
        await self.store.cancel(run_ids, self._act("cancel"), deadline, children=True)

    async def pause(self, *run_ids: str) -> None:
        await self.store.pause(run_ids, self._act("pause"), None, children=True)

    async def resume(self, *run_ids: str) -> None:
        await self.store.resume(run_ids, self._act("resume"))

    async def look(self) -> float | None:
        """Act on the news once; seconds until the next look."""
        return await self.steering._act_on_news()


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_a_cancel_that_others_write_is_heard_of_by_the_owner(desk: Desk) -> None:
    run = await desk.run(PAIR)
    await desk.cancel("r")
    assert desk.scene.queued() == ["a", "b"]
    await desk.look()

    assert (run.cancelled, desk.scene.queued()) == (True, [])
    assert (await desk.scene.the_end()).error_message == "cancelled by ann: a reason"


@pytest.mark.parametrize("kind", ["cancel", "pause"])
async def test_nothing_of_a_run_of_ours_starts_any_more_when_the_call_returns(
    desk: Desk, kind: str
) -> None:
    run = await desk.run(PAIR)
    if kind == "cancel":
        await desk.steering.cancel(["r"], ORDER, GRACE, children=True)
    else:
        await desk.steering.pause(["r"], ORDER, None, children=True)

    assert run.wish is not None
    assert desk.scene.queued() == []


async def test_its_deadline_is_by_the_clock_of_the_store(desk: Desk) -> None:
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


async def test_a_pause_and_a_resume_are_heard_of(desk: Desk) -> None:
    run = await desk.run(PAIR)
    desk.scene.begin()
    await desk.pause("r")
    await desk.look()
    assert (desk.scene.queued(), run.wish) == ([], "Paused")
    await desk.resume("r")
    await desk.look()
    await desk.scene.journal.commit()  # which finds that the run is still ours

    assert (desk.scene.queued(), run.wish) == (["b"], None)


async def test_a_pause_that_a_commit_meets_while_older_news_are_read_stands(desk: Desk) -> None:
    run = await desk.run(CHAIN)
    desk.scene.executor.run()
    desk.store.answers.clear()
    looking = asyncio.create_task(desk.look())
    await desk.store.asked.wait()
    desk.scene.journal.wishes["r"] = "Paused"
    await desk.scene.journal.commit()
    desk.store.answers.set()
    await looking

    assert (run.wish, desk.scene.queued()) == ("Paused", [])


async def test_a_pause_after_a_resume_whose_news_are_read_stands(desk: Desk) -> None:
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
    desk.scene.journal.wishes["r"] = "Paused"
    await desk.scene.journal.commit()
    desk.store.answers.set()
    await looking

    assert (run.wish, desk.scene.queued()) == ("Paused", [])


async def test_one_flaw_keeps_no_other_wish_from_its_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await desk.run(PAIR)
    await desk.in_table("q")
    other = active_run(PAIR)
    other.id = "q"
    desk.scene.orchestrator.adopt(other)
    steered = desk.scene.orchestrator.steered
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


async def test_a_run_that_is_on_its_way_is_looked_for_soon(desk: Desk) -> None:
    await desk.in_table("r")
    await desk.cancel("r")
    assert await desk.look() == SOON
    assert "lost runs" not in desk.told
    run = desk.scene.adopt(PAIR)

    assert await desk.look() is None
    assert run.cancelled


async def test_one_that_does_not_come_is_given_back(desk: Desk) -> None:
    await desk.in_table("r")
    await desk.cancel("r")
    await desk.look()

    assert await desk.look() == LATER
    assert desk.told.count("lost runs") == 1


async def test_one_under_another_epoch_has_not_come(desk: Desk) -> None:
    await desk.in_table("r")
    await desk.cancel("r")
    run = desk.scene.adopt(PAIR, epoch=3)

    assert await desk.look() == SOON
    assert not run.cancelled


# -- children --------------------------------------------------------------------------------------


async def test_children_are_cancelled_until_none_is_left_and_who_waits_for_them_hears(
    desk: Desk,
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


# -- time ------------------------------------------------------------------------------------------


async def test_a_pause_ends_when_its_time_has_come(desk: Desk) -> None:
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
    desk: Desk, monkeypatch: pytest.MonkeyPatch
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
