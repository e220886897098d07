"""A run rests while all that is left of it waits for sleeps, events and approvals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from model.runs import active_run, attempt_of, graph_of

from cloaca_core._engine.execute.attempt import Attempt
from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
from cloaca_core._engine.orchestrate.resting_runs import RestingRuns
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core._engine.plan.open_waits import OpenWait, OpenWaits
from cloaca_core._engine.plan.restore import Resume
from cloaca_core.records.states import RunStatus
from cloaca_core.records.waits import EVENT, WaitRow

A, B = 0, 1
GRAPH = graph_of(a={}, b={}, below={"dependencies": ["a"]})


class Scene:
    """A run whose tasks ``a`` and ``b`` are ready; ``told`` has what its time limit was told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.runs = ActiveRuns()
        self.run = active_run(GRAPH)
        self.run.plan.begin()
        self.run.waits = self.waits = OpenWaits()
        self.runs.add(self.run)
        self._resting = RestingRuns(self.runs, cast(Any, self))

    def rests(self) -> bool:
        """Whether the run does, by what its time limit is told."""
        self._resting.look(self.run)
        (told,) = self.told
        self.told.clear()
        return told == "rest"

    def look(self) -> None:
        self._resting.look(self.run)

    def node(self, task: int) -> OpenWait:
        return self._wait(task, 0)

    def body(self, task: int, calls: int, name: str = "go") -> Attempt:
        """A body that is here, makes so many calls that wait, and waits for an event in one."""
        attempt = attempt_of(self.run, task)
        attempt.waits = calls
        self.runs.begin(attempt)
        self._wait(task, 1, name).attended = True
        return attempt

    def _wait(self, task: int, number: int, name: str = "go") -> OpenWait:
        row = WaitRow("r", "ab"[task], EVENT, name, number, 1, "", 0, None)
        return self.waits.add(task, row, durable=True)

    # -- as its time limit -----------------------------------------------------------------------

    def rest(self, run: ActiveRun) -> None:
        assert run is self.run
        self.told.append("rest")

    def go_on(self, run: ActiveRun) -> None:
        assert run is self.run
        self.told.append("go on")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_one_of_which_all_tasks_are_nodes_that_wait_rests(scene: Scene) -> None:
    scene.node(A)
    assert not scene.rests()

    scene.node(B)
    assert scene.rests()


def test_one_without_a_wait_does_not(scene: Scene) -> None:
    scene.run.waits = None

    assert not scene.rests()


def test_nor_does_one_of_which_nothing_is_to_begin(scene: Scene) -> None:
    scene.run.plan.failed(A, "bad")
    scene.run.plan.failed(B, "bad")

    assert not scene.rests()


def test_a_task_below_another_one_does_not_count_yet(scene: Scene) -> None:
    scene.node(A)
    scene.run.plan.failed(B, "bad")

    assert scene.rests()


def test_one_of_which_a_wait_is_ending_does_not_rest(scene: Scene) -> None:
    scene.node(A).ending = True
    scene.node(B)

    assert not scene.rests()


def test_one_whose_body_has_left_rests(scene: Scene) -> None:
    scene.node(A)
    scene.waits.left[B] = Resume(has_left=True)

    assert scene.rests()


@pytest.mark.parametrize(
    ("rests", "calls"),
    [
        (True, 1),
        (False, 2),  # the other one is for a child run, or for a condition
        (False, 0),  # it waits no more
    ],
)
def test_a_body_that_is_here_waits_for_nothing_else(scene: Scene, rests: bool, calls: int) -> None:
    scene.node(A)
    scene.body(B, calls)

    assert scene.rests() is rests


def test_a_body_may_wait_for_several_events_at_once(scene: Scene) -> None:
    scene.node(A)
    scene.body(B, 2)
    scene.body(B, 2, "other")

    assert scene.rests()


def test_a_body_that_was_asked_to_leave_and_is_still_here_works(scene: Scene) -> None:
    scene.node(A)
    scene.body(B, 1)
    for wait in scene.waits.of(B):
        wait.attended = False

    assert not scene.rests()


@pytest.mark.parametrize(
    "is_so",
    [
        lambda run: setattr(run, "over", True),
        lambda run: setattr(run, "parked", True),
        lambda run: setattr(run, "wish", RunStatus.PAUSED),
    ],
)
def test_one_that_ends_goes_or_is_steered_is_left(
    scene: Scene, is_so: Callable[[ActiveRun], None]
) -> None:
    is_so(scene.run)

    scene.look()

    assert scene.told == []
