"""A body that waits gives away its slot, its time and its blame, and has them again afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from model.by_hand import HandExecutor
from model.runs import active_run, attempt_of, graph_of

from cloaca_core.engine.execute.attempt import Attempt, AttemptWork
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
from cloaca_core.engine.orchestrate.quarantine import Quarantine
from cloaca_core.engine.orchestrate.waiting_bodies import WaitingBodies
from cloaca_core.engine.record.run_entry import Beside
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.rows import AttemptRow

GRAPH = graph_of(a={}, b={})


class Scene:
    """Stands for the owner of waiting bodies; its marks become durable when the test says so."""

    def __init__(self) -> None:
        self.executor = HandExecutor()
        self.sent: list[Attempt] = []
        self.under_way: list[Attempt] = []
        self.quarantine = Quarantine(lambda _: 1, lambda: self.under_way)
        self.runs = ActiveRuns()
        self.waiting_bodies = WaitingBodies(
            self.executor, self.quarantine, self.runs, self._mark, self._resume, self._place_free
        )
        self.marks: list[str] = []
        self.resumed: list[AttemptWork] = []
        self.places = 0
        self._not_durable: list[Callable[[], None]] = []
        self._resumptions = 0

    def run(self, **fields: Any) -> ActiveRun:
        return active_run(GRAPH, **fields)

    def body(self, run: ActiveRun | None = None, index: int = 0, **fields: Any) -> Attempt:
        """A body that runs."""
        attempt = attempt_of(run or self.run(), index, **fields)
        self.runs.begin(attempt)
        self.executor.submit(attempt)
        self.executor.begin(attempt)
        attempt.marked = True
        return attempt

    def suspect(self, attempt: Attempt) -> None:
        """It waits for its turn to run alone."""
        self.quarantine.add(attempt, partial(self.sent.append, attempt))

    def waits(self, run: ActiveRun) -> bool:
        return self.runs.only_waits(run)

    def away(self, run: ActiveRun) -> int:
        """How many of its bodies wait for other runs."""
        return self.runs._away.get(run, 0)

    def durable(self, count: int = 1) -> None:
        """The oldest marks are committed."""
        for _ in range(count):
            self._not_durable.pop(0)()

    def reacquire_slot(self, attempt: Attempt) -> asyncio.Task[None]:
        return asyncio.create_task(self.waiting_bodies.reacquire_slot(attempt))

    async def waits_again(self) -> tuple[Attempt, asyncio.Task[None]]:
        """A body that waits again while it waits for its slot, and its going on."""
        attempt = self.body()
        self.waiting_bodies.release_slot(attempt)
        self.executor.slot_free.clear()
        first = self.reacquire_slot(attempt)
        await settled(first)
        self.waiting_bodies.release_slot(attempt)
        return attempt, first

    def _mark(
        self,
        attempt: Attempt,
        row: AttemptRow,
        then: Callable[[], None],
        beside: Sequence[Beside],
    ) -> None:
        assert not beside, "no task has limits"
        assert (row.task_id, row.epoch) == (attempt.task.id, attempt.owner.epoch)
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
        attempt = scene.body()

        scene.waiting_bodies.release_slot(attempt)

        assert (attempt.holds_slot, runs(attempt), attempt.marked) == (False, False, False)
        assert scene.marks == ["Waiting"]

    async def test_the_place_of_a_run_all_of_whose_bodies_wait(self, scene: Scene) -> None:
        run = scene.run()
        first, second = scene.body(run, 0), scene.body(run, 1)
        waited: list[bool] = []
        for attempt in (first, second):
            scene.waiting_bodies.release_slot(attempt)
            waited.append(scene.waits(run))

        assert waited == [False, True]
        assert scene.places == 2
        assert scene.runs.waiting() == 1

    async def test_it_is_one_body_however_many_runs_it_waits_for(self, scene: Scene) -> None:
        attempt = scene.body()
        for _ in range(3):
            scene.waiting_bodies.release_slot(attempt)

        assert (scene.away(attempt.owner), scene.marks, scene.places) == (1, ["Waiting"], 1)

    async def test_its_blame_as_soon_as_that_is_durable(self, scene: Scene) -> None:
        """The one that it waits for may be suspected as well."""
        run = scene.run(recoveries=1)
        parent, child = scene.body(run, 0, crashes=2), attempt_of(run, 1, crashes=2)
        scene.suspect(parent)
        scene.suspect(child)

        scene.waiting_bodies.release_slot(parent)
        assert scene.sent == [parent]
        scene.durable()

        assert scene.sent == [parent, child]

    async def test_its_blame_stays_when_it_goes_on_before_that_was_durable(
        self, scene: Scene
    ) -> None:
        run = scene.run(recoveries=1)
        parent, other = scene.body(run, 0, crashes=2), attempt_of(run, 1, crashes=2)
        scene.suspect(parent)
        scene.suspect(other)

        scene.waiting_bodies.release_slot(parent)
        back = scene.reacquire_slot(parent)
        await settled(back)
        scene.durable(2)
        await back

        assert scene.sent == [parent]


class TestGoingOn:
    async def test_with_its_slot_and_its_time(self, scene: Scene) -> None:
        attempt = scene.body()
        scene.waiting_bodies.release_slot(attempt)
        await scene.waiting_bodies.reacquire_slot(attempt)

        assert (attempt.holds_slot, runs(attempt), scene.resumed) == (True, True, [attempt])
        assert not scene.waits(attempt.owner)
        assert scene.runs.waiting() == 0

    async def test_not_before_a_slot_is_free(self, scene: Scene) -> None:
        attempt = scene.body()
        scene.waiting_bodies.release_slot(attempt)
        scene.executor.slot_free.clear()
        back = scene.reacquire_slot(attempt)
        assert await settled(back) == [False]
        assert (runs(attempt), scene.waits(attempt.owner)) == (False, True)

        scene.executor.slot_free.set()
        await back

        assert runs(attempt)

    async def test_one_that_waits_again_before_it_has_a_slot_is_away_once(
        self, scene: Scene
    ) -> None:
        attempt, first = await scene.waits_again()

        assert (scene.away(attempt.owner), scene.waits(attempt.owner)) == (1, True)
        scene.executor.slot_free.set()
        await scene.waiting_bodies.reacquire_slot(attempt)
        await first

    async def test_one_that_waits_again_gives_back_the_slot_that_comes_meanwhile(
        self, scene: Scene
    ) -> None:
        attempt, first = await scene.waits_again()
        scene.executor.slot_free.set()
        await first
        assert (attempt.holds_slot, runs(attempt), scene.resumed) == (False, False, [])
        assert (scene.executor.released, scene.away(attempt.owner)) == (2, 1)

        await scene.waiting_bodies.reacquire_slot(attempt)

        assert (attempt.holds_slot, runs(attempt), scene.resumed) == (True, True, [attempt])

    async def test_a_suspect_does_not_wait_for_one_that_waits_again(self, scene: Scene) -> None:
        attempt, first = await scene.waits_again()
        assert not scene.waiting_bodies.is_away(attempt)  # it is about to have its slot
        scene.under_way.append(attempt)
        scene.suspect(suspect := attempt_of(scene.run(recoveries=2), 1, crashes=2))
        assert not scene.sent

        scene.executor.slot_free.set()
        await first

        assert scene.waiting_bodies.is_away(attempt)
        assert scene.sent == [suspect]
        scene.quarantine.over(suspect)
        await scene.waiting_bodies.reacquire_slot(attempt)

    async def test_it_asks_for_its_slot_once_however_often_it_has_waited(
        self, scene: Scene
    ) -> None:
        attempt, first = await scene.waits_again()
        second = scene.reacquire_slot(attempt)
        assert await settled(first, second) == [False, False]
        scene.executor.slot_free.set()
        await asyncio.gather(first, second)

        assert (scene.executor.released, scene.executor.reacquired) == (1, 1)
        assert (attempt.holds_slot, scene.resumed, scene.away(attempt.owner)) == (
            True,
            [attempt],
            0,
        )

    async def test_only_when_the_last_of_the_runs_that_it_waits_for_has_ended(
        self, scene: Scene
    ) -> None:
        attempt = scene.body()
        scene.waiting_bodies.release_slot(attempt)
        scene.waiting_bodies.release_slot(attempt)
        await scene.waiting_bodies.reacquire_slot(attempt)
        assert not scene.resumed
        assert (attempt.holds_slot, scene.away(attempt.owner)) == (False, 1)

        await scene.waiting_bodies.reacquire_slot(attempt)

        assert scene.resumed == [attempt]

    async def test_a_run_lends_while_one_of_its_bodies_does(self, scene: Scene) -> None:
        run = scene.run()
        first, second = scene.body(run, 0), scene.body(run, 1)
        scene.waiting_bodies.release_slot(first)
        scene.waiting_bodies.release_slot(second)
        await scene.waiting_bodies.reacquire_slot(first)

        assert (scene.away(run), scene.waits(run)) == (1, False)

    async def test_a_new_run_waits_for_no_mark(self, scene: Scene) -> None:
        """It is marked with the next commit, as at its start."""
        attempt = scene.body()
        scene.waiting_bodies.release_slot(attempt)
        await scene.waiting_bodies.reacquire_slot(attempt)

        assert scene.marks == ["Waiting"]
        assert not attempt.marked

    async def test_a_recovered_run_is_marked_again_first(self, scene: Scene) -> None:
        attempt = scene.body(scene.run(recoveries=1))
        scene.waiting_bodies.release_slot(attempt)
        scene.durable()
        back = scene.reacquire_slot(attempt)
        assert await settled(back) == [False]
        assert scene.marks == ["Waiting", "Running"]
        assert (attempt.marked, runs(attempt)) == (True, False)

        scene.durable()
        await back

        assert scene.resumed == [attempt]

    async def test_a_body_may_wait_again_before_its_mark_is_durable(self, scene: Scene) -> None:
        """An async one waits for runs that have ended already, one after the other."""
        attempt = scene.body(scene.run(recoveries=1))
        scene.waiting_bodies.release_slot(attempt)
        first = scene.reacquire_slot(attempt)
        await settled(first)
        scene.waiting_bodies.release_slot(attempt)
        second = scene.reacquire_slot(attempt)
        await settled(second)
        assert scene.marks == ["Waiting", "Running"] * 2

        scene.durable(2)
        assert await settled(first, second) == [True, False]
        scene.durable(2)

        assert await settled(first, second) == [True, True]
        assert scene.away(attempt.owner) == 0

    async def test_its_time_stands_when_it_waits_again_meanwhile(self, scene: Scene) -> None:
        attempt = scene.body(scene.run(recoveries=1))
        scene.waiting_bodies.release_slot(attempt)
        first = scene.reacquire_slot(attempt)
        await settled(first)
        scene.waiting_bodies.release_slot(attempt)
        scene.durable(3)
        await first

        assert not runs(attempt)
        assert not scene.resumed


class TestGivingUp:
    async def test_it_does_not_go_on_and_its_call_returns(self, scene: Scene) -> None:
        attempt = scene.body()
        scene.waiting_bodies.release_slot(attempt)
        scene.executor.abandon(attempt)
        scene.waiting_bodies.give_up(attempt)
        assert (scene.away(attempt.owner), scene.runs.waiting()) == (0, 0)
        await scene.waiting_bodies.reacquire_slot(attempt)

        assert (runs(attempt), scene.resumed) == (False, [])
        assert (scene.away(attempt.owner), scene.runs.waiting()) == (0, 0)

    async def test_a_recovered_one_is_not_marked_again(self, scene: Scene) -> None:
        attempt = scene.body(scene.run(recoveries=1))
        scene.waiting_bodies.release_slot(attempt)
        scene.executor.abandon(attempt)
        await scene.waiting_bodies.reacquire_slot(attempt)

        assert scene.marks == ["Waiting"]

    async def test_one_whose_mark_is_not_durable_yet_waits_no_longer(self, scene: Scene) -> None:
        """Another runner owns its run by now: the mark will never be written."""
        attempt = scene.body(scene.run(recoveries=1))
        scene.waiting_bodies.release_slot(attempt)
        back = scene.reacquire_slot(attempt)
        await settled(back)

        scene.executor.abandon(attempt)
        scene.waiting_bodies.give_up(attempt)
        await back
        scene.durable(2)

        assert (runs(attempt), scene.resumed) == (False, [])

    async def test_a_body_that_does_not_wait_is_passed_over(self, scene: Scene) -> None:
        scene.waiting_bodies.give_up(scene.body())

    async def test_so_is_one_that_has_gone_on_and_nothing_is_kept_of_it(self, scene: Scene) -> None:
        attempt = scene.body(scene.run(recoveries=1))
        scene.waiting_bodies.release_slot(attempt)
        back = scene.reacquire_slot(attempt)
        await settled(back)
        scene.durable(2)
        await back

        scene.waiting_bodies.give_up(attempt)

        assert runs(attempt)
        assert not scene.waiting_bodies.marking
