"""Which runs are given away: of those that wait for slots the last, and none that begin soon."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from model.facts_by_hand import run_row
from model.runs import active_run, attempt_of, graph_of
from tables import each_row

from cloaca_core.engine.claim.surplus import only_waits_for_slots, surplus
from cloaca_core.engine.execute.work import Stage
from cloaca_core.features.waits.open_waits import open_waits
from cloaca_core.run.life import State
from cloaca_testing.conformance.rows import attempt as attempt_row

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunRow


@dataclass
class Waiting:
    row: RunRow = field(default_factory=run_row)


def given(begun: int, *rows: tuple[str, int, int]) -> list[str]:
    """The ids of what is given of runs with these ids, priorities and instants."""
    runs = [
        Waiting(run_row()._replace(id=run_id, priority=priority, claimable_at=since))
        for run_id, priority, since in rows
    ]
    return [each.row.id for each in surplus(cast("list[ActiveRun]", runs), begun)]


@each_row(
    ("waiting", "expected"), [("", ""), ("a", "a"), ("ab", "b"), ("abc", "bc"), ("dcba", "cd")]
)
def test_the_newer_half_is_given(waiting: str, expected: str) -> None:
    assert given(0, *[(name, 0, ord(name)) for name in waiting]) == list(expected)


def test_of_runs_of_one_instant_those_with_the_later_ids() -> None:
    assert given(0, ("b", 0, 1), ("a", 0, 1)) == ["b"]


def test_the_important_ones_stay() -> None:
    assert given(0, ("new", 5, 9), ("old", 0, 1)) == ["old"]


@each_row(("begun", "expected"), [(1, "cd"), (3, "d"), (4, ""), (9, "")])
def test_as_many_stay_as_begin_here_within_a_second(begun: int, expected: str) -> None:
    assert given(begun, *[(name, 0, ord(name)) for name in "abcd"]) == list(expected)


PAIR = graph_of(a={}, b={})


def queued(*stages: Stage) -> tuple[ActiveRun, list[Attempt]]:
    """A run whose attempts are at these stages."""
    run = active_run(PAIR, epoch=4)
    attempts = [attempt_of(run, index) for index, _ in enumerate(stages)]
    for attempt, stage in zip(attempts, stages, strict=True):
        attempt.stage = stage
    return run, attempts


@pytest.mark.parametrize(
    ("waits", "stages"),
    [
        (True, (Stage.QUEUED, Stage.QUEUED)),
        (True, (Stage.QUEUED, Stage.HELD)),
        (False, (Stage.QUEUED, Stage.RUNNING)),
        (False, (Stage.QUEUED, Stage.RAN)),
        (False, ()),
    ],
)
def test_one_waits_for_slots_while_none_of_its_bodies_has_begun(
    waits: bool, stages: tuple[Stage, ...]
) -> None:
    assert only_waits_for_slots(*queued(*stages)) is waits


@pytest.mark.parametrize("sign", ["ahead", "marked"])
def test_one_with_a_body_that_is_about_to_begin_does_not(sign: str) -> None:
    run, attempts = queued(Stage.QUEUED)
    setattr(attempts[0], sign, True)

    assert not only_waits_for_slots(run, attempts)


@pytest.mark.parametrize(("waits", "epoch"), [(False, 4), (True, 3)])
def test_nor_does_one_of_which_a_task_has_ended_here(waits: bool, epoch: int) -> None:
    run, attempts = queued(Stage.QUEUED)
    run.latest[1] = attempt_row("r", "b", epoch=epoch)

    assert only_waits_for_slots(run, attempts) is waits


def test_nor_one_that_is_steered_or_has_waits() -> None:
    run, attempts = queued(Stage.QUEUED)
    run.life.state = State.PAUSING
    assert not only_waits_for_slots(run, attempts)

    run, attempts = queued(Stage.QUEUED)
    open_waits(run)
    assert not only_waits_for_slots(run, attempts)
