"""To whom runs are given: who lives, asks, serves their workflows and does not leave."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from model.facts_by_hand import run_row
from model.orchestration import PAIR, Scene
from model.runs import active_run, attempt_of
from tables import each_row

from cloaca_core.engine.claim.work_sharing import WorkSharing, only_waits_for_slots, surplus
from cloaca_core.engine.execute.work import Stage
from cloaca_core.engine.orchestrate.served import Served
from cloaca_core.features.waits.open_waits import open_waits
from cloaca_core.run.life import State
from cloaca_core.run.restore import Resume
from cloaca_core.store.runner_rows import RunnerRow, Sharing
from cloaca_core.values.child_kinds import NODE
from cloaca_testing.conformance.rows import NOW, attempt as attempt_row, runner

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunRow

pytestmark = pytest.mark.virtual_time

HERE = ("flow", "other")


class Desk:
    """A runner with one run of ``flow`` that waits for a slot."""

    def __init__(self) -> None:
        self.asked: Callable[[], None] | None = None
        self.work_requested = False
        self.ended = self.changes = 0
        self.scene = Scene()
        self.run = self.scene.adopt(PAIR, workflow="flow")
        self.giving = WorkSharing(
            self.scene.orchestrator,
            cast("Any", self),
            cast("Any", self),
            Served(None),
            lambda: HERE,
            self.scene.clock,
        )

    def changed(self) -> None:
        self.changes += 1


@pytest.fixture
async def desk() -> Desk:
    return Desk()


def asks(*serves: str, number: int = 1, **fields: Any) -> RunnerRow:
    """A runner that asks for runs of these workflows."""
    return runner("other")._replace(sharing=Sharing(number, serves).text(), **fields)


@pytest.mark.parametrize(
    ("row", "backlog", "work_requested"),
    [
        (asks("flow", "other"), 1, True),
        (asks("flow"), 1, False),  # it could not take all that is left to it
        (asks("other"), 0, False),
        (asks("unknown"), 0, False),
        (asks("flow", "other", number=0), 0, False),
        (asks("flow", "other", draining_since=NOW), 0, False),
        (runner("other"), 0, False),
        (runner("other")._replace(sharing='{"asked": "yes"}'), 0, False),  # of another version
        (runner("other")._replace(sharing="no JSON"), 0, False),
    ],
)
async def test_whose_ask_counts(
    desk: Desk, row: RunnerRow, backlog: int, work_requested: bool
) -> None:
    desk.giving.others([row])

    assert (desk.giving.backlog(), desk.work_requested) == (backlog, work_requested)


async def test_claims_and_backlogs_are_as_before_when_nobody_asks_any_more(desk: Desk) -> None:
    desk.giving.others([asks(*HERE)])
    desk.giving.others([])

    assert (desk.giving.backlog(), desk.work_requested, desk.asked) == (0, False, None)


async def test_a_run_that_one_here_waits_for_stays(desk: Desk) -> None:
    desk.giving.others([asks(*HERE)])
    desk.run.depth = 1
    assert desk.giving.backlog() == 0

    desk.run.depth = 0
    desk.run.row = desk.run.row._replace(parent_id=desk.run.id)
    assert desk.giving.backlog() == 0


async def test_a_run_that_a_node_here_waits_for_may_be_given(desk: Desk) -> None:
    desk.giving.others([asks(*HERE)])
    desk.run.row = desk.run.row._replace(parent_id=desk.run.id, child_kind=NODE)

    assert desk.giving.backlog() == 1


async def test_so_does_one_with_a_task_that_backs_off(desk: Desk) -> None:
    desk.giving.others([asks(*HERE)])
    desk.scene.orchestrator.control.launcher.back_offs.add(desk.run, 1, Resume(2), 60.0)

    assert desk.giving.backlog() == 0


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


def queued(*stages: Stage) -> tuple[ActiveRun, list[Attempt]]:
    """A run whose attempts are at these stages."""
    run = active_run(PAIR, epoch=4)
    attempts = [attempt_of(run, index) for index, _ in enumerate(stages)]
    for attempt, stage in zip(attempts, stages, strict=True):
        attempt.stage = stage
    return run, attempts


@each_row(
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


@each_row("sign", ["ahead", "marked"])
def test_one_with_a_body_that_is_about_to_begin_does_not(sign: str) -> None:
    run, attempts = queued(Stage.QUEUED)
    setattr(attempts[0], sign, True)

    assert not only_waits_for_slots(run, attempts)


@each_row(("waits", "epoch"), [(False, 4), (True, 3)])
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
