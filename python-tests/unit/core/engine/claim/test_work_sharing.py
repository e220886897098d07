"""To whom runs are given: who lives, asks, serves their workflows and does not leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from model.orchestration import PAIR, Scene

from cloaca_core.engine.claim.work_sharing import WorkSharing
from cloaca_core.run.restore import Resume
from cloaca_core.store.runner_rows import RunnerRow, Sharing
from cloaca_testing.conformance.rows import NOW, runner

if TYPE_CHECKING:
    from collections.abc import Callable

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


async def test_so_does_one_with_a_task_that_backs_off(desk: Desk) -> None:
    desk.giving.others([asks(*HERE)])
    desk.scene.orchestrator.control.launcher.back_offs.add(desk.run, 1, Resume(2), 60.0)

    assert desk.giving.backlog() == 0
