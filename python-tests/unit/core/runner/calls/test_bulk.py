"""Calls that steer many runs: a selection must be given, and is checked when they are made."""

from __future__ import annotations

from typing import Any

import pytest
from tables import each_row

from cloaca_core.errors import CloacaError, ConfigError, RunnerClosedError
from cloaca_core.runner.calls.arguments import Selection
from cloaca_core.runner.calls.claiming import ClaimingCalls
from cloaca_core.runner.calls.runs import RunCalls
from cloaca_core.runner.host import EngineHost
from cloaca_core.runner.results import BulkResult


@pytest.fixture
def runs(host: EngineHost) -> RunCalls:
    ClaimingCalls(host).stop().wait()
    return RunCalls(host)


@pytest.mark.parametrize("kind", ["cancel", "pause", "resume", "retry"])
@pytest.mark.parametrize("nothing", [Selection(), Selection(tags={})])
def test_all_runs_are_never_meant_by_leaving_everything_out(
    runs: RunCalls, kind: str, nothing: Selection
) -> None:
    with pytest.raises(ConfigError, match=f"^{kind}_many needs a filter: give status, "):
        runs.bulk.steer(kind, nothing, None, None, False)


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
    runs: RunCalls, selection: Selection, options: Any, name: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=name) as caught:
        runs.bulk.steer("cancel", selection, *options)
    assert isinstance(caught.value, CloacaError)


def test_the_runs_of_a_selection_are_steered(runs: RunCalls) -> None:
    for tags in ({"n": "1"}, {"n": "1"}, None):
        runs.submit("flow", None, None, tags).wait()
    selection = Selection(workflow_name="flow", tags={"n": "1"})

    preview = runs.bulk.steer("pause", selection, None, None, True).wait()
    done = runs.bulk.steer("pause", selection, "no disk", "ann", False).wait()
    again = runs.bulk.steer("pause", Selection(status="Paused"), None, None, False).wait()

    assert preview == done == BulkResult(matched=2, changed=2, refused=0)
    assert again == BulkResult(matched=2, changed=0, refused=2)
    assert {each.by for each in runs.history.actions(9).wait()} == {"ann"}
    assert len({each.id for each in runs.history.actions(9).wait()}) == 1
    assert runs.count_runs(Selection(status="Pending")).wait() == 1


def test_a_closed_runner_steers_nothing(runs: RunCalls, host: EngineHost) -> None:
    call = runs.bulk.steer("cancel", Selection(status="Pending"), None, None, False)
    host.close().result(20)

    with pytest.raises(RunnerClosedError):
        call.wait()
