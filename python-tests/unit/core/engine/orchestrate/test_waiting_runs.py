"""A run of which nothing can go on for a while is given back; any other keeps its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from model.hand_clock import HandClock
from model.runs import active_run, graph_of

from cloaca_core._engine.execute.attempt import Attempt
from cloaca_core._engine.execute.work import Stage
from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
from cloaca_core._engine.orchestrate.waiting_runs import DUE_SOON, WaitingRuns
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core._engine.plan.deadline import Deadline
from cloaca_core._engine.plan.open_waits import OpenWait, OpenWaits
from cloaca_core._engine.plan.restore import Resume
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.conformance.rows import attempt as attempt_row
from cloaca_core.records.runs import Park
from cloaca_core.records.states import RunStatus
from cloaca_core.records.waits import APPROVAL, EVENT, NEVER, SLEEP, MessageRow, WaitRow

A, B = 0, 1
GRAPH = graph_of(a={}, b={}, below={"dependencies": ["a"]})
NOW = 1_000_000_000
STAYS = 7.0
"""``evict_after_seconds``."""


class Scene:
    """A run whose tasks ``a`` and ``b`` are ready; ``retries_due`` has those that back off, with
    the instants at which they are due. The runner may have two runs.
    """

    def __init__(self, *, keeps: bool = False) -> None:
        self.retries_due: dict[int, int] = {}
        self.held: list[ActiveRun] = []
        self.parks: list[Park] = []
        self.launched: list[tuple[str | int, ...]] = []
        self.places_free = 0
        self.clock = HandClock(NOW / 1e6)
        self.runs = ActiveRuns()
        self.run = self.ready_run()
        self.back_offs = self
        config = DefaultRunnerConfig(evict_after_seconds=STAYS, max_active_runs=2)
        self._waiting = WaitingRuns(
            config, cast(Any, self), self.runs, self.clock, self._place_free, self, keeps=keeps
        )

    def ready_run(self, **fields: Any) -> ActiveRun:
        run = active_run(GRAPH, **fields)
        run.plan.begin()
        self.runs.add(run)
        return run

    def settle(self, **retries: int) -> list[Park]:
        """These tasks wait for so many µs from now; the parks of the run."""
        self.retries_due = {"ab".index(name): NOW + delay for name, delay in retries.items()}
        self._waiting.settle(self.run)
        return self.parks

    def leave(self) -> list[Park]:
        """The runner leaves; the parks of the run."""
        self._waiting.leave(self.run)
        return self.parks

    def waits(self, **tasks: int | None) -> list[OpenWait]:
        """These tasks are nodes that wait for so many µs from now, or for a message alone."""
        self.run.waits = waits = OpenWaits()
        return [
            waits.add("ab".index(name), wait(name, due_in), durable=True)
            for name, due_in in tasks.items()
        ]

    def _place_free(self) -> None:
        self.places_free += 1

    # -- as its launcher, back-offs and course ---------------------------------------------------

    def due(self, run: ActiveRun) -> dict[int, int]:
        return self.retries_due if run is self.run else {}

    def has(self, run: ActiveRun) -> bool:
        return bool(self.due(run))

    def hold(self, run: ActiveRun) -> None:
        self.held.append(run)
        for each in self.runs.attempts(run):
            if each.stage is Stage.QUEUED:
                self.runs.discard(each)
                run.held.append(each.index)

    def launch(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        self.launched.append((run.id, *tasks))

    # -- runs that wait for a slot ---------------------------------------------------------------

    def queued(self, *stages: Stage, **fields: Any) -> ActiveRun:
        """Attempts of the first tasks are at these stages."""
        self.run = self.ready_run(**fields)
        for index, stage in enumerate(stages):
            attempt = SimpleNamespace(
                owner=self.run, index=index, stage=stage, ahead=False, marked=False
            )
            self.runs.begin(cast(Attempt, attempt))
        return self.run

    def waits_for_slot(self) -> bool:
        return self._waiting.waits_for_slot(self.run)

    def give(self) -> list[Park]:
        """Give the run to another runner; its parks."""
        self._waiting.give(self.run)
        return self.parks

    def park(self, run: ActiveRun, park: Park) -> None:
        assert self.held == [run], "a retry could still begin here"
        self.parks.append(park)


def wait(task: str, due_in: int | None = None, kind: str = SLEEP, opened_at: int = NOW) -> WaitRow:
    due_at = None if due_in is None else NOW + due_in
    return WaitRow("r", task, kind, "go", 0, 1, "", opened_at, due_at)


def message(number: int, name: str = "go") -> MessageRow:
    return MessageRow("r", number, f"m{number}", EVENT, name, "1", None, None, 0, None)


@pytest.fixture
def scene() -> Scene:
    return Scene()


class TestRetries:
    def test_it_is_given_back_until_its_first_attempt_is_due(self, scene: Scene) -> None:
        parks = scene.settle(a=9 * DUE_SOON, b=7 * DUE_SOON)

        assert parks == [Park("r", NOW + 7 * DUE_SOON, NOW)]
        assert scene.run.parked

    @pytest.mark.parametrize(("delay", "parked"), [(-1, 0), (DUE_SOON, 0), (DUE_SOON + 1, 1)])
    def test_one_that_is_due_soon_stays(self, scene: Scene, delay: int, parked: int) -> None:
        assert len(scene.settle(a=delay, b=9 * DUE_SOON)) == parked

        assert (scene.run.parked, len(scene.held)) == (bool(parked), parked)

    def test_one_of_which_a_task_runs_stays(self, scene: Scene) -> None:
        assert scene.settle(a=9 * DUE_SOON) == []
        assert scene.settle() == []

    def test_a_task_that_is_not_ready_yet_keeps_no_run_here(self, scene: Scene) -> None:
        scene.run.plan.failed(B, "bad")  # of the others, one waits and the other is below it

        assert len(scene.settle(a=9 * DUE_SOON)) == 1

    def test_messages_that_no_task_waits_for_do_not_bring_it_back(self, scene: Scene) -> None:
        """Else it would be claimed and given back again and again."""
        scene.runs.remove(scene.run)
        scene.run = scene.ready_run(messages=3)

        assert scene.settle(a=9 * DUE_SOON, b=9 * DUE_SOON) == [
            Park("r", NOW + 9 * DUE_SOON, NOW, 3)
        ]

    @pytest.mark.parametrize(
        ("left", "due_after"),
        [(7 * DUE_SOON, 7 * DUE_SOON), (99 * DUE_SOON, 9 * DUE_SOON), (DUE_SOON, None)],
    )
    def test_it_is_back_for_its_deadline(
        self, scene: Scene, left: int, due_after: int | None
    ) -> None:
        scene.run.deadline = Deadline(NOW + left, 1.0)

        due = [each.due_at for each in scene.settle(a=9 * DUE_SOON, b=9 * DUE_SOON)]

        assert due == ([] if due_after is None else [NOW + due_after])

    @pytest.mark.parametrize(
        "is_so",
        [
            lambda run: setattr(run, "over", True),
            lambda run: setattr(run, "parked", True),
            lambda run: setattr(run, "wish", RunStatus.CANCELLED),
        ],
    )
    def test_one_that_ends_goes_or_is_steered_is_left(
        self, scene: Scene, is_so: Callable[[ActiveRun], None]
    ) -> None:
        is_so(scene.run)

        assert scene.settle(a=9 * DUE_SOON, b=9 * DUE_SOON) == []
        assert scene.held == []


class TestWaits:
    def test_the_first_of_its_waits_and_retries_brings_it_back(self, scene: Scene) -> None:
        scene.waits(a=8 * DUE_SOON)

        (park,) = scene.settle(b=9 * DUE_SOON)

        assert park.due_at == NOW + 8 * DUE_SOON

    def test_one_that_waits_for_a_decision_alone_has_no_instant(self, scene: Scene) -> None:
        scene.waits(a=None, b=None)
        for each in scene.run.waits or ():
            each.row = each.row._replace(kind=APPROVAL)

        (park,) = scene.settle()

        assert park.due_at == NEVER

    def test_it_says_how_many_messages_it_has_seen(self, scene: Scene) -> None:
        scene.waits(a=8 * DUE_SOON, b=8 * DUE_SOON)
        assert scene.run.waits is not None
        scene.run.waits.put([message(4, "other")], 5)

        (park,) = scene.settle()

        assert park.seen == 5

    def test_one_with_messages_that_were_not_read_stays(self, scene: Scene) -> None:
        scene.waits(a=8 * DUE_SOON, b=8 * DUE_SOON)
        assert scene.run.waits is not None
        scene.run.waits.told = 1

        assert scene.settle() == []

    def test_one_of_which_a_wait_is_ending_stays(self, scene: Scene) -> None:
        first, _ = scene.waits(a=8 * DUE_SOON, b=8 * DUE_SOON)
        first.ending = True

        assert scene.settle() == []

    def test_one_of_which_a_wait_is_not_written_yet_stays(self, scene: Scene) -> None:
        first, _ = scene.waits(a=8 * DUE_SOON, b=8 * DUE_SOON)
        first.durable = False

        assert scene.settle() == []

    def test_one_whose_body_is_here_stays_and_one_whose_body_has_left_goes(
        self, scene: Scene
    ) -> None:
        scene.waits(b=8 * DUE_SOON)
        assert scene.run.waits is not None
        scene.run.waits.add(A, wait("a", 8 * DUE_SOON)._replace(number=1), durable=True)
        assert scene.settle() == []

        scene.run.waits.left[A] = Resume(has_left=True)
        assert len(scene.settle()) == 1


class TestRests:
    """The time limit of the run stands still while it waits."""

    def rest(self, scene: Scene, stayed: int = 0, rested: int = 0) -> None:
        scene.run.rests_since, scene.run.rested = NOW - stayed, rested
        scene.run.deadline = Deadline(NOW + 7 * DUE_SOON, 1.0)

    def test_its_deadline_does_not_bring_it_back(self, scene: Scene) -> None:
        scene.waits(a=8 * DUE_SOON, b=9 * DUE_SOON)
        self.rest(scene)

        assert scene.settle() == [Park("r", NOW + 8 * DUE_SOON, NOW, rests=1)]

    def test_the_park_tells_for_how_long_it_has_rested_before(self, scene: Scene) -> None:
        scene.waits(a=8 * DUE_SOON, b=9 * DUE_SOON)
        self.rest(scene, stayed=30, rested=200)

        (park,) = scene.settle()

        assert (park.rests, park.rested) == (1, 230)

    def test_so_does_that_of_a_run_that_rests_no_more(self, scene: Scene) -> None:
        scene.run.rested = 200

        (park,) = scene.settle(a=9 * DUE_SOON, b=9 * DUE_SOON)

        assert (park.rests, park.rested) == (0, 200)

    def test_one_that_would_stay_goes_when_the_runner_leaves(self, scene: Scene) -> None:
        scene.waits(a=DUE_SOON, b=9 * DUE_SOON)
        self.rest(scene)
        assert scene.settle() == []

        assert scene.leave() == [Park("r", NOW + DUE_SOON, NOW, rests=1)]

    def test_one_whose_body_is_here_may_then_be_claimed_at_once(self, scene: Scene) -> None:
        self.rest(scene, stayed=30, rested=200)

        assert scene.leave() == [Park("r", None, NOW, rested=230)]

    def test_one_that_has_not_rested_is_left(self, scene: Scene) -> None:
        assert scene.leave() == []

    def test_so_is_one_that_has_ended_or_goes_already(self, scene: Scene) -> None:
        self.rest(scene)
        scene.run.over = True
        assert scene.leave() == []

        scene.run.over, scene.run.parked = False, True
        assert scene.leave() == []


class TestEvents:
    """The events that it waits for may come at any moment."""

    def waits(self, scene: Scene, opened_at: int = NOW) -> None:
        scene.run.waits = OpenWaits()
        scene.run.waits.add(A, wait("a", None, EVENT, opened_at), durable=True)
        scene.run.waits.add(B, wait("b", None, EVENT, NOW - 2 * DUE_SOON), durable=True)

    def test_it_stays_for_a_while_without_a_place(self, scene: Scene) -> None:
        self.waits(scene)

        assert scene.settle() == []
        assert (scene.runs.waiting(), scene.places_free) == (1, 1)

    @pytest.mark.parametrize(("stayed", "parked"), [(0, 0), (STAYS - 1e-6, 0), (STAYS, 1)])
    def test_then_it_is_given_back(self, scene: Scene, stayed: float, parked: int) -> None:
        self.waits(scene, opened_at=NOW - round(stayed * 1e6))

        assert [park.due_at for park in scene.settle()] == [NEVER] * parked

    def test_so_many_stay_as_there_are_places(self, scene: Scene) -> None:
        for run_id in ("x", "y"):
            other = scene.ready_run(id=run_id)
            assert scene.runs.linger(other, 2)
        self.waits(scene)

        assert len(scene.settle()) == 1
        assert scene.places_free == 0


class TestARunnerThatClaimsNothing:
    """It could not claim a run again that it has given back."""

    def test_it_keeps_a_run_that_waits(self) -> None:
        assert Scene(keeps=True).settle(a=9 * DUE_SOON, b=9 * DUE_SOON) == []

    def test_it_gives_it_back_as_it_leaves(self) -> None:
        scene = Scene(keeps=True)
        scene.settle(a=9 * DUE_SOON, b=9 * DUE_SOON)
        scene.run.rested = 1

        assert [park.due_at for park in scene.leave()] == [NOW + 9 * DUE_SOON]


class TestWaitingForASlot:
    @pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.HELD])
    def test_a_run_none_of_whose_bodies_has_begun_waits(self, scene: Scene, stage: Stage) -> None:
        scene.queued(Stage.QUEUED, stage)

        assert scene.waits_for_slot()

    @pytest.mark.parametrize("stage", [Stage.RUNNING, Stage.RAN])
    def test_one_with_a_body_that_has_begun_does_not(self, scene: Scene, stage: Stage) -> None:
        scene.queued(Stage.QUEUED, stage)

        assert not scene.waits_for_slot()

    @pytest.mark.parametrize("sign", ["ahead", "marked"])
    def test_nor_one_with_a_body_that_is_about_to_begin(self, scene: Scene, sign: str) -> None:
        run = scene.queued(Stage.QUEUED)
        (attempt,) = scene.runs.attempts(run)
        setattr(attempt, sign, True)

        assert not scene.waits_for_slot()

    def test_nor_one_of_which_a_task_has_ended_here(self, scene: Scene) -> None:
        run = scene.queued(Stage.QUEUED)
        run.latest[B] = attempt_row("r", "b", epoch=run.epoch)
        assert not scene.waits_for_slot()

        run.latest[B] = attempt_row("r", "b", epoch=run.epoch - 1)  # with an earlier owner
        assert scene.waits_for_slot()

    def test_nor_one_that_a_body_or_a_run_here_waits_for(self, scene: Scene) -> None:
        run = scene.queued(Stage.QUEUED)
        run.depth = 1
        assert not scene.waits_for_slot()

        run.depth = 0
        run.row = run.row._replace(parent_id="r")
        assert not scene.waits_for_slot()

    def test_nor_one_that_is_steered_or_parked(self, scene: Scene) -> None:
        run = scene.queued(Stage.QUEUED)
        run.wish = RunStatus.PAUSED
        assert not scene.waits_for_slot()

        run.wish, run.parked = None, True
        assert not scene.waits_for_slot()

    def test_nor_one_with_a_task_that_backs_off(self, scene: Scene) -> None:
        scene.queued(Stage.QUEUED)
        scene.retries_due = {B: NOW}

        assert not scene.waits_for_slot()

    def test_it_is_given_back_as_if_it_had_not_been_claimed(self, scene: Scene) -> None:
        run = scene.queued(Stage.QUEUED, Stage.QUEUED)

        assert scene.give() == [Park("r", None, NOW, begun=0)]
        assert run.parked
        assert not scene.runs.attempts(run)

    def test_one_that_others_have_begun_stays_begun(self, scene: Scene) -> None:
        run = scene.queued(Stage.QUEUED)
        run.latest[B] = attempt_row("r", "b", epoch=run.epoch - 1)

        assert scene.give() == [Park("r", None, NOW, begun=1)]

    def test_it_stays_if_a_body_begins_at_this_moment(self, scene: Scene) -> None:
        run = scene.queued(Stage.QUEUED, Stage.RUNNING)

        assert scene.give() == []
        assert not run.parked
        assert scene.launched == [("r", A)]
