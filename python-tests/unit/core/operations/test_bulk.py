"""Calls that steer many runs: a selection must be given, and is checked when they are made."""

from __future__ import annotations

from typing import Any

import pytest
from model.operations import Do
from tables import each_row

from cloaca_core.assembly.caller import Caller
from cloaca_core.assembly.host import EngineHost
from cloaca_core.engine.calls.arguments import Selection
from cloaca_core.errors import CloacaError, ConfigError, RunnerClosedError
from cloaca_core.features.steering.results import BulkResult
from cloaca_core.operations.bulk import SteerMany
from cloaca_core.operations.claiming import Stop
from cloaca_core.operations.history import Actions
from cloaca_core.operations.runs import CountRuns
from cloaca_core.operations.submissions import Submit


@pytest.fixture(autouse=True)
def stopped(do: Do) -> None:
    """The runner claims nothing."""
    do(Stop())


@each_row("kind", ["cancel", "pause", "resume", "retry"])
@each_row("nothing", [Selection(), Selection(tags={})])
def test_all_runs_are_never_meant_by_leaving_everything_out(
    caller: Caller, kind: str, nothing: Selection
) -> None:
    with pytest.raises(ConfigError, match=f"^{kind}_many needs a filter: give status, "):
        SteerMany(kind, nothing).call(caller)


@each_row(
    ("selection", "options", "name"),
    [
        (Selection(status="done"), (None, None, False), "status"),
        (Selection(status=[]), (None, None, False), "status"),
        (Selection(since="soon"), (None, None, False), "since"),
        (Selection(workflow_name=""), (None, None, False), "workflow_name"),
        (Selection(status="Failed"), ("", None, False), "reason"),
        (Selection(status="Failed"), (None, 7, False), "by"),
        (Selection(status="Failed"), (None, None, 1), "dry_run"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(
    caller: Caller, selection: Selection, options: Any, name: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=name) as caught:
        SteerMany("cancel", selection, *options).call(caller)
    assert isinstance(caught.value, CloacaError)


def test_the_runs_of_a_selection_are_steered(do: Do) -> None:
    for tags in ({"n": "1"}, {"n": "1"}, None):
        do(Submit("flow", tags=tags))
    selection = Selection(workflow_name="flow", tags={"n": "1"})

    preview = do(SteerMany("pause", selection, dry_run=True))
    done = do(SteerMany("pause", selection, "no disk", "ann"))
    again = do(SteerMany("pause", Selection(status="Paused")))

    assert preview == done == BulkResult(matched=2, changed=2, refused=0)
    assert again == BulkResult(matched=2, changed=0, refused=2)
    assert {each.by for each in do(Actions(9))} == {"ann"}
    assert len({each.id for each in do(Actions(9))}) == 1
    assert do(CountRuns(Selection(status="Pending"))) == 1


def test_a_closed_runner_steers_nothing(caller: Caller, host: EngineHost) -> None:
    call = SteerMany("cancel", Selection(status="Pending")).call(caller)
    host.close().result(60)

    with pytest.raises(RunnerClosedError):
        call.wait()
