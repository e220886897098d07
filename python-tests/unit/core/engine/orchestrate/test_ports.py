"""The kernel runs, recovers and cancels runs without any feature."""

from __future__ import annotations

import pytest
from model.orchestration import CHAIN, PAIR, Scene
from model.runs import graph_of

from cloaca_core.run.reasons import Reason
from cloaca_core.values.states import ReasonCode, TaskStatus
from cloaca_testing.conformance.rows import attempt

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def scene() -> Scene:
    return Scene(features=False)


async def test_a_run_comes_to_its_end(scene: Scene) -> None:
    scene.adopt(CHAIN)

    assert await scene.finish() == [("a", 1, "Completed"), ("b", 1, "Completed")]
    assert [end.status for _, end in scene.ended] == ["Completed"]


async def test_a_run_goes_on_from_what_a_dead_owner_recorded(scene: Scene) -> None:
    begun = attempt("r", "b", status=TaskStatus.RUNNING)
    scene.adopt(CHAIN, past=[attempt("r", "a"), begun], recoveries=1, epoch=2)

    assert (await scene.the_end()).status == "Completed"


async def test_a_run_is_cancelled_with_a_body_that_runs_and_one_that_waits_for_a_slot(
    scene: Scene,
) -> None:
    run = scene.adopt(PAIR)
    body = scene.begin()
    reason = Reason(ReasonCode.CANCELLED, "by ann")
    scene.orchestrator.control.cancel(run, reason, scene.clock.wall() + 1_000_000)
    scene.executor.finish(body)

    assert (await scene.the_end()).status == "Cancelled"


async def test_a_map_is_refused_and_not_called_as_a_body(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    run = scene.adopt(graph_of(a={}, each={"map": [1], "dependencies": ["a"]}))
    scene.executor.finish(scene.begin())

    end = await scene.the_end()
    assert (run.id, end.status) == ("r", "Failed")
    assert "task 'each' is a map, for which this engine has no part" in str(end.error_message)
    caplog.clear()
