"""What runners and results look like as text: plain words, no objects of the inside."""

from __future__ import annotations

import pytest

from cloaca_core.builder import WorkflowBuilder
from cloaca_core.registry import Registry
from cloaca_core.runner import DefaultRunner
from cloaca_core.task import task


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_runner_may_be_shut_down_again_and_tells_its_state(times: int) -> None:
    runner = DefaultRunner(":memory:")
    assert repr(runner) == "DefaultRunner(sqlite, open)"
    for _ in range(times):
        runner.shutdown()
    assert repr(runner) == "DefaultRunner(sqlite, closed)"


def noop(context: object) -> None:
    """A task's function."""


def test_a_status_is_a_plain_str_wherever_it_is_read() -> None:
    registry = Registry()
    with WorkflowBuilder("w", registry=registry):
        task(id="a")(noop)
    with DefaultRunner(":memory:", registry=registry) as runner:
        run = runner.submit("w")
        result = run.result(20)
        seen = [result.status, run.status(), runner.list_runs()[0].status]
    assert [type(status) for status in seen] == [str] * 3
    assert repr(result).startswith("PipelineResult(status='Completed', workflow_name='w', ")
