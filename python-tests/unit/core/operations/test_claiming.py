"""A runner that is asked how it is, and told to claim runs or not."""

from __future__ import annotations

from typing import Any

import pytest
from model.operations import Do
from tables import each_row

from cloaca_core.assembly.caller import Caller, Operation
from cloaca_core.assembly.host import EngineHost
from cloaca_core.errors import RunnerClosedError
from cloaca_core.operations.claiming import Health, Start, Stop
from cloaca_core.operations.runs import Result, Status
from cloaca_core.operations.submissions import Submit

WAIT = 60


def test_a_runner_stops_and_starts_to_claim(do: Do, host: EngineHost) -> None:
    do(Stop())
    assert do(Health())["paused"] is True

    run_id, _ = do(Submit("flow"))
    assert do(Status(run_id)) == "Pending"

    do(Start())
    assert do(Result(run_id, WAIT)).status == "Completed"
    assert do(Health())["paused"] is False


@each_row("operation", [Health(), Start(), Stop()])
async def test_a_closed_runner_says_so_when_a_call_is_waited_for(
    caller: Caller, host: EngineHost, operation: Operation[Any]
) -> None:
    made = [operation.call(caller), operation.call(caller)]
    host.close().result(WAIT)

    with pytest.raises(RunnerClosedError):
        made[0].wait()
    with pytest.raises(RunnerClosedError):
        await made[1]
