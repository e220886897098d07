"""A runner that is asked how it is, and told to claim runs or not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloaca_core.errors import RunnerClosedError
from cloaca_core.runner.calls.call import Call
from cloaca_core.runner.calls.claiming import ClaimingCalls
from cloaca_core.runner.calls.runs import RunCalls
from cloaca_core.runner.host import EngineHost

WAIT = 20


@pytest.fixture
def claiming(host: EngineHost) -> ClaimingCalls:
    return ClaimingCalls(host)


def test_a_runner_stops_and_starts_to_claim(claiming: ClaimingCalls, host: EngineHost) -> None:
    runs = RunCalls(host)
    claiming.stop().wait()
    assert claiming.health().wait()["paused"] is True

    run_id, _ = runs.submit("flow", None, None, None).wait()
    assert runs.status(run_id).wait() == "Pending"

    claiming.start().wait()
    assert runs.result(run_id, WAIT).wait().status == "Completed"
    assert claiming.health().wait()["paused"] is False


@pytest.mark.parametrize("make", [ClaimingCalls.health, ClaimingCalls.start, ClaimingCalls.stop])
async def test_a_closed_runner_says_so_when_a_call_is_waited_for(
    claiming: ClaimingCalls, host: EngineHost, make: Callable[[ClaimingCalls], Call[object]]
) -> None:
    made = [make(claiming), make(claiming)]
    host.close().result(WAIT)

    with pytest.raises(RunnerClosedError):
        made[0].wait()
    with pytest.raises(RunnerClosedError):
        await made[1]
