"""A run of which nothing can go on for a while is given back; any other keeps its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from model.hand_clock import HandClock
from model.runs import active_run, graph_of

from cloaca_core._engine.orchestrate.waiting_runs import LINGER, WaitingRuns
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core._engine.plan.deadline import Deadline
from cloaca_core.records.runs import Park
from cloaca_core.records.states import RunStatus

A, B = 0, 1
GRAPH = graph_of(a={}, b={}, below={"dependencies": ["a"]})
NOW = 1_000_000_000


class Scene:
    """A run whose tasks ``a`` and ``b`` are ready; ``retries_due`` has those that wait, with the
    instants at which they are due.
    """

    def __init__(self) -> None:
        self.retries_due: dict[int, int] = {}
        self.held: list[ActiveRun] = []
        self.parks: list[Park] = []
        self.run = active_run(GRAPH)
        self.run.plan.begin()
        self.back_offs = self
        self._waiting = WaitingRuns(cast(Any, self), HandClock(NOW / 1e6), self)

    def settle(self, **retries: int) -> list[Park]:
        """These tasks wait for so many µs from now; the parks of the run."""
        self.retries_due = {"ab".index(name): NOW + delay for name, delay in retries.items()}
        self._waiting.settle(self.run)
        return self.parks

    # -- as its launcher, back-offs and course ---------------------------------------------------

    def due(self, run: ActiveRun) -> dict[int, int]:
        assert run is self.run
        return self.retries_due

    def hold(self, run: ActiveRun) -> None:
        self.held.append(run)

    def park(self, run: ActiveRun, park: Park) -> None:
        assert self.held == [run], "a retry could still begin here"
        self.parks.append(park)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_it_is_given_back_until_its_first_attempt_is_due(scene: Scene) -> None:
    parks = scene.settle(a=9 * LINGER, b=7 * LINGER)

    assert parks == [Park("r", NOW + 7 * LINGER, NOW)]
    assert scene.run.parked


@pytest.mark.parametrize(("delay", "parked"), [(-1, 0), (LINGER, 0), (LINGER + 1, 1)])
def test_one_that_is_due_soon_stays(scene: Scene, delay: int, parked: int) -> None:
    assert len(scene.settle(a=delay, b=9 * LINGER)) == parked

    assert (scene.run.parked, len(scene.held)) == (bool(parked), parked)


def test_one_of_which_a_task_runs_stays(scene: Scene) -> None:
    assert scene.settle(a=9 * LINGER) == []
    assert scene.settle() == []


def test_a_task_that_is_not_ready_yet_keeps_no_run_here(scene: Scene) -> None:
    scene.run.plan.failed(B, "bad")  # of the others, one waits and the other is below it

    assert len(scene.settle(a=9 * LINGER)) == 1


@pytest.mark.parametrize(
    ("left", "due_after"), [(7 * LINGER, 7 * LINGER), (99 * LINGER, 9 * LINGER), (LINGER, None)]
)
def test_it_is_back_for_its_deadline(scene: Scene, left: int, due_after: int | None) -> None:
    scene.run.deadline = Deadline(NOW + left, 1.0)

    due = [each.due_at for each in scene.settle(a=9 * LINGER, b=9 * LINGER)]

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
    scene: Scene, is_so: Callable[[ActiveRun], None]
) -> None:
    is_so(scene.run)

    assert scene.settle(a=9 * LINGER, b=9 * LINGER) == []
    assert scene.held == []
