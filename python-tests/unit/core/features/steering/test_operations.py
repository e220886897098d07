"""Calls that steer: checked when they are made, sent when they are waited for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from model.operations import Do, wrong
from tables import each_row

from cloaca_core.assembly.caller import Caller, Operation
from cloaca_core.errors import CloacaError, ConfigError, ConfigTypeError
from cloaca_core.features.steering.operations import Pause, PauseWorkflow, ResumeWorkflow
from cloaca_core.operations.runs import Result, Status
from cloaca_core.operations.submissions import Submit

WAIT = 60
NO_ZONE = datetime(2030, 1, 1)  # noqa: DTZ001 - that is what is refused


# -- workflows -----------------------------------------------------------------------------------


def test_a_paused_workflow_starts_no_run_until_it_is_resumed(do: Do) -> None:
    assert do(PauseWorkflow("flow", reason="no disk", by="ann")) is True
    assert do(PauseWorkflow("public::embedded::flow")) is False
    run_id, _ = do(Submit("flow"))
    assert do(Status(run_id)) == "Pending"

    assert do(ResumeWorkflow("flow")) is True
    assert do(Result(run_id, WAIT)).status == "Completed"
    assert do(ResumeWorkflow("flow")) is False


def test_a_workflow_that_is_not_registered_can_be_paused(do: Do) -> None:
    assert do(PauseWorkflow("elsewhere")) is True
    assert do(ResumeWorkflow("public::embedded::elsewhere")) is True


@each_row(
    ("refused", "kind", "message"),
    [
        (wrong(PauseWorkflow, 7), TypeError, "workflow_name"),
        (wrong(ResumeWorkflow, "a::b"), ConfigError, "workflow_name"),
        (wrong(PauseWorkflow, "w", "soon"), ConfigError, "until is 'soon'"),
        (wrong(PauseWorkflow, "w", 7), ConfigTypeError, "until must be a datet"),
        (wrong(Pause, "r", until="soon"), ConfigError, "until is 'soon'"),
        (wrong(Pause, "r", until=NO_ZONE), ConfigError, "until is"),
        (wrong(Pause, "r", until=7), ConfigTypeError, "until must be a datetime"),
        (wrong(Pause, "r", children="no"), TypeError, "children must be a bool"),
        (wrong(PauseWorkflow, "w", reason=""), ConfigError, "reason must have"),
        (wrong(PauseWorkflow, "w", by=7), ConfigTypeError, "by must be a str"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_sent(
    caller: Caller, refused: Operation[Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        refused.call(caller)
    assert isinstance(caught.value, CloacaError)
