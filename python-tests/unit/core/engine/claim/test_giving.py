"""To whom runs are given: who lives, asks, serves their workflows and does not leave."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from model.hand_clock import HandClock

from cloaca_core._engine.claim.giving import Giving
from cloaca_core.conformance.rows import NOW, runner
from cloaca_core.records.runners import RunnerRow, Sharing

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = ("flow", "other")


class Scene:
    """A runner with one run of ``flow`` that waits for a slot."""

    def __init__(self) -> None:
        self.asked: Callable[[], None] | None = None
        self.is_asked = False
        self.ended = self.changes = 0
        run = SimpleNamespace(row=SimpleNamespace(workflow="flow"))
        waiting = SimpleNamespace(waits_for_slot=lambda _: True)
        orchestrator = SimpleNamespace(runs=[run], waiting_runs=waiting)
        self.giving = Giving(
            cast("Any", orchestrator),
            cast("Any", self),
            cast("Any", self),
            lambda: HERE,
            HandClock(),
        )

    def changed(self) -> None:
        self.changes += 1


@pytest.fixture
def scene() -> Scene:
    return Scene()


def asks(*serves: str, number: int = 1, **fields: Any) -> RunnerRow:
    """A runner that asks for runs of these workflows."""
    return runner("other")._replace(sharing=Sharing(number, serves).text(), **fields)


@pytest.mark.parametrize(
    ("row", "backlog", "is_asked"),
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
def test_whose_ask_counts(scene: Scene, row: RunnerRow, backlog: int, is_asked: bool) -> None:
    scene.giving.others([row])

    assert (scene.giving.backlog(), scene.is_asked) == (backlog, is_asked)


def test_claims_and_backlogs_are_as_before_when_nobody_asks_any_more(scene: Scene) -> None:
    scene.giving.others([asks(*HERE)])
    scene.giving.others([])

    assert (scene.giving.backlog(), scene.is_asked, scene.asked) == (0, False, None)
