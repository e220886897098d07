"""A body that waits gives away its slot, its time and its blame, and has them again afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from model.by_hand import HandExecutor
from model.runs import active_run, graph_of, job_of

from cloaca_core._engine.execute.attempt import AttemptWork, Job
from cloaca_core._engine.orchestrate.quarantine import Caution
from cloaca_core._engine.orchestrate.waiting_bodies import Lending
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core.records.rows import AttemptRow

GRAPH = graph_of(a={}, b={})


class Scene:
    """What the owner of the lending would be told, and marks that are durable when we say so."""

    def __init__(self) -> None:
        self.executor = HandExecutor()
        self.sent: list[Job] = []
        self.caution = Caution((1, 1), self.sent.append)
        self.lending = Lending(
            self.executor, self.caution, self._mark, self._resume, self._place_free
        )
        self.marks: list[str] = []
        self.resumed: list[AttemptWork] = []
        self.places = 0
        self._not_durable: list[Callable[[], None]] = []
        self._resumptions = 0

    def run(self, **fields: Any) -> ActiveRun:
        return active_run(GRAPH, **fields)

    def body(self, run: ActiveRun | None = None, index: int = 0, **fields: Any) -> Job:
        """A body that runs."""
        job = job_of(run or self.run(), index, **fields)
        self.executor.submit(job)
        self.executor.begin(job)
        job.marked = True
        return job

    def durable(self, count: int = 1) -> None:
        """The oldest marks are committed."""
        for _ in range(count):
            self._not_durable.pop(0)()

    def reclaim(self, job: Job) -> asyncio.Task[None]:
        return asyncio.create_task(self.lending.reclaim(job))

    async def waits_again(self) -> tuple[Job, asyncio.Task[None]]:
        """A body that waits again while it waits for its slot, and its going on."""
        job = self.body()
        self.lending.lend(job)
        self.executor.slot_free.clear()
        first = self.reclaim(job)
        await settled(first)
        self.lending.lend(job)
        return job, first

    def _mark(self, job: Job, row: AttemptRow, then: Callable[[], None]) -> None:
        assert (row.task_id, row.epoch) == (job.task.id, job.owner.epoch)
        self.marks.append(row.status)
        self._not_durable.append(then)

    def _resume(self, work: AttemptWork) -> None:
        assert runs(work)
        self.resumed.append(work)

    def _place_free(self) -> None:
        self.places += 1


def runs(work: AttemptWork) -> bool:
    """Its time passes."""
    return work.clock._resumed is not None


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def settled(*tasks: asyncio.Task[None]) -> list[bool]:
    """Which of them are over once all that can go on has gone on."""
    for _ in range(5):
        await asyncio.sleep(0)
    return [task.done() for task in tasks]


class TestGivingAway:
    async def test_its_slot_its_time_and_its_mark(self, scene: Scene) -> None:
        job = scene.body()

        scene.lending.lend(job)

        assert (job.holds_slot, runs(job), job.marked) == (False, False, False)
        assert scene.marks == ["Waiting"]

    async def test_the_place_of_a_run_all_of_whose_bodies_wait(self, scene: Scene) -> None:
        run = scene.run()
        first, second = scene.body(run, 0), scene.body(run, 1)
        waited: list[bool] = []
        for job in (first, second):
            scene.lending.lend(job)
            waited.append(run.waits())

        assert waited == [False, True]
        assert scene.places == 2
        assert scene.lending.runs == {run}

    async def test_it_is_one_body_however_many_runs_it_waits_for(self, scene: Scene) -> None:
        job = scene.body()
        for _ in range(3):
            scene.lending.lend(job)

        assert (job.owner.lent, scene.marks, scene.places) == (1, ["Waiting"], 1)

    async def test_its_blame_as_soon_as_that_is_durable(self, scene: Scene) -> None:
        """The one that it waits for may be suspected as well."""
        run = scene.run(recoveries=1)
        parent, child = scene.body(run, 0, crashes=1), job_of(run, 1, crashes=1)
        scene.caution.add(parent)
        scene.caution.add(child)

        scene.lending.lend(parent)
        assert scene.sent == [parent]
        scene.durable()

        assert scene.sent == [parent, child]

    async def test_its_blame_stays_when_it_goes_on_before_that_was_durable(
        self, scene: Scene
    ) -> None:
        run = scene.run(recoveries=1)
        parent, other = scene.body(run, 0, crashes=1), job_of(run, 1, crashes=1)
        scene.caution.add(parent)
        scene.caution.add(other)

        scene.lending.lend(parent)
        back = scene.reclaim(parent)
        await settled(back)
        scene.durable(2)
        await back

        assert scene.sent == [parent]


class TestGoingOn:
    async def test_with_its_slot_and_its_time(self, scene: Scene) -> None:
        job = scene.body()
        scene.lending.lend(job)
        await scene.lending.reclaim(job)

        assert (job.holds_slot, runs(job), scene.resumed) == (True, True, [job])
        assert not job.owner.waits()
        assert not scene.lending.runs

    async def test_not_before_a_slot_is_free(self, scene: Scene) -> None:
        job = scene.body()
        scene.lending.lend(job)
        scene.executor.slot_free.clear()
        back = scene.reclaim(job)
        assert await settled(back) == [False]
        assert (runs(job), job.owner.waits()) == (False, True)

        scene.executor.slot_free.set()
        await back

        assert runs(job)

    async def test_one_that_waits_again_before_it_has_a_slot_is_away_once(
        self, scene: Scene
    ) -> None:
        job, first = await scene.waits_again()

        assert (job.owner.lent, job.owner.waits()) == (1, True)
        scene.executor.slot_free.set()
        await scene.lending.reclaim(job)
        await first

    async def test_one_that_waits_again_gives_back_the_slot_that_comes_meanwhile(
        self, scene: Scene
    ) -> None:
        job, first = await scene.waits_again()
        scene.executor.slot_free.set()
        await first
        assert (job.holds_slot, runs(job), scene.resumed) == (False, False, [])
        assert (scene.executor.lent, job.owner.lent) == (2, 1)

        await scene.lending.reclaim(job)

        assert (job.holds_slot, runs(job), scene.resumed) == (True, True, [job])

    async def test_it_asks_for_its_slot_once_however_often_it_has_waited(
        self, scene: Scene
    ) -> None:
        job, first = await scene.waits_again()
        second = scene.reclaim(job)
        assert await settled(first, second) == [False, False]
        scene.executor.slot_free.set()
        await asyncio.gather(first, second)

        assert (scene.executor.lent, scene.executor.reclaimed) == (1, 1)
        assert (job.holds_slot, scene.resumed, job.owner.lent) == (True, [job], 0)

    async def test_only_when_the_last_of_the_runs_that_it_waits_for_has_ended(
        self, scene: Scene
    ) -> None:
        job = scene.body()
        scene.lending.lend(job)
        scene.lending.lend(job)
        await scene.lending.reclaim(job)
        assert not scene.resumed
        assert (job.holds_slot, job.owner.lent) == (False, 1)

        await scene.lending.reclaim(job)

        assert scene.resumed == [job]

    async def test_a_run_lends_while_one_of_its_bodies_does(self, scene: Scene) -> None:
        run = scene.run()
        first, second = scene.body(run, 0), scene.body(run, 1)
        scene.lending.lend(first)
        scene.lending.lend(second)
        await scene.lending.reclaim(first)

        assert (run.lent, scene.lending.runs) == (1, {run})

    async def test_a_new_run_waits_for_no_mark(self, scene: Scene) -> None:
        """It is marked with the next commit, as at its start."""
        job = scene.body()
        scene.lending.lend(job)
        await scene.lending.reclaim(job)

        assert scene.marks == ["Waiting"]
        assert not job.marked

    async def test_a_recovered_run_is_marked_again_first(self, scene: Scene) -> None:
        job = scene.body(scene.run(recoveries=1))
        scene.lending.lend(job)
        scene.durable()
        back = scene.reclaim(job)
        assert await settled(back) == [False]
        assert scene.marks == ["Waiting", "Running"]
        assert (job.marked, runs(job)) == (True, False)

        scene.durable()
        await back

        assert scene.resumed == [job]

    async def test_a_body_may_wait_again_before_its_mark_is_durable(self, scene: Scene) -> None:
        """An async one waits for runs that have ended already, one after the other."""
        job = scene.body(scene.run(recoveries=1))
        scene.lending.lend(job)
        first = scene.reclaim(job)
        await settled(first)
        scene.lending.lend(job)
        second = scene.reclaim(job)
        await settled(second)
        assert scene.marks == ["Waiting", "Running"] * 2

        scene.durable(2)
        assert await settled(first, second) == [True, False]
        scene.durable(2)

        assert await settled(first, second) == [True, True]
        assert job.owner.lent == 0

    async def test_its_time_stands_when_it_waits_again_meanwhile(self, scene: Scene) -> None:
        job = scene.body(scene.run(recoveries=1))
        scene.lending.lend(job)
        first = scene.reclaim(job)
        await settled(first)
        scene.lending.lend(job)
        scene.durable(3)
        await first

        assert not runs(job)
        assert not scene.resumed


class TestGivingUp:
    async def test_it_does_not_go_on_and_its_call_returns(self, scene: Scene) -> None:
        job = scene.body()
        scene.lending.lend(job)
        scene.executor.abandon(job)
        scene.lending.give_up(job)
        assert (job.owner.lent, scene.lending.runs) == (0, set())
        await scene.lending.reclaim(job)

        assert (runs(job), scene.resumed) == (False, [])
        assert (job.owner.lent, scene.lending.runs) == (0, set())

    async def test_a_recovered_one_is_not_marked_again(self, scene: Scene) -> None:
        job = scene.body(scene.run(recoveries=1))
        scene.lending.lend(job)
        scene.executor.abandon(job)
        await scene.lending.reclaim(job)

        assert scene.marks == ["Waiting"]

    async def test_one_whose_mark_is_not_durable_yet_waits_no_longer(self, scene: Scene) -> None:
        """Its run is somebody else's: the mark will never be written."""
        job = scene.body(scene.run(recoveries=1))
        scene.lending.lend(job)
        back = scene.reclaim(job)
        await settled(back)

        scene.executor.abandon(job)
        scene.lending.give_up(job)
        await back
        scene.durable(2)

        assert (runs(job), scene.resumed) == (False, [])

    async def test_a_body_that_does_not_wait_is_passed_over(self, scene: Scene) -> None:
        scene.lending.give_up(scene.body())

    async def test_so_is_one_that_has_gone_on_and_nothing_is_kept_of_it(self, scene: Scene) -> None:
        job = scene.body(scene.run(recoveries=1))
        scene.lending.lend(job)
        back = scene.reclaim(job)
        await settled(back)
        scene.durable(2)
        await back

        scene.lending.give_up(job)

        assert runs(job)
        assert not scene.lending._marking
