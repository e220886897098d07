"""Calls that steer: checked when they are made, sent when they are waited for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from tables import each_row

from cloaca_core.errors import CloacaError, ConfigError, ConfigTypeError
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.calls.runs import RunCalls
from cloaca_core.runner.calls.steering import SteeringCalls
from cloaca_core.runner.host import EngineHost

WAIT = 20
NO_ZONE = datetime(2030, 1, 1)  # noqa: DTZ001 - that is what is refused


@pytest.fixture
def runs(host: EngineHost) -> RunCalls:
    return RunCalls(host)


@pytest.fixture
def steering(runs: RunCalls) -> SteeringCalls:
    return runs.steering


# -- workflows -----------------------------------------------------------------------------------


def test_a_paused_workflow_starts_no_run_until_it_is_resumed(
    runs: RunCalls, steering: SteeringCalls
) -> None:
    assert steering.pause_workflow("flow", None, "no disk", "ann").wait() is True
    assert steering.pause_workflow("public::embedded::flow", None, None, None).wait() is False
    run_id, _ = runs.submit("flow", None, None, None).wait()
    assert runs.status(run_id).wait() == "Pending"

    assert steering.resume_workflow("flow", None, None).wait() is True
    assert runs.result(run_id, WAIT).wait().status == "Completed"
    assert steering.resume_workflow("flow", None, None).wait() is False


def test_a_workflow_that_is_not_registered_can_be_paused(steering: SteeringCalls) -> None:
    assert steering.pause_workflow("elsewhere", None, None, None).wait() is True
    assert steering.resume_workflow("public::embedded::elsewhere", None, None).wait() is True


@each_row(
    ("refused", "kind", "message"),
    [
        (lambda s: s.pause_workflow(7, None, None, None), TypeError, "workflow_name"),
        (lambda s: s.resume_workflow("a::b", None, None), ConfigError, "workflow_name"),
        (lambda s: s.pause_workflow("w", "soon", None, None), ConfigError, "until is 'soon'"),
        (lambda s: s.pause_workflow("w", 7, None, None), ConfigTypeError, "until must be a datet"),
        (lambda s: s.pause("r", None, "soon", True, None), ConfigError, "until is 'soon'"),
        (lambda s: s.pause("r", None, NO_ZONE, True, None), ConfigError, "until is"),
        (lambda s: s.pause("r", None, 7, True, None), ConfigTypeError, "until must be a datetime"),
        (lambda s: s.pause("r", None, None, "no", None), TypeError, "children must be a bool"),
        (lambda s: s.pause_workflow("w", None, "", None), ConfigError, "reason must have"),
        (lambda s: s.pause_workflow("w", None, None, 7), ConfigTypeError, "by must be a str"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_sent(
    steering: SteeringCalls,
    refused: Callable[[SteeringCalls], Call[bool]],
    kind: type[Exception],
    message: str,
) -> None:
    with pytest.raises(kind, match=message) as caught:
        refused(steering)
    assert isinstance(caught.value, CloacaError)
