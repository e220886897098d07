"""The time limit of a run passes by itself; it then ends the run, with what is under way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from model.orchestration import CHAIN, PAIR, Scene, rows_of
from model.runs import active_run
from model.virtual_time import VirtualClock, the_loop

from cloaca_core.engine.orchestrate.run_limits import RunLimits
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.run.graph import PlanGraph
from cloaca_core.run.time_limit import Deadline
from cloaca_core.values.times.instants import SECOND
from cloaca_testing.conformance.rows import attempt as attempt_row

pytestmark = pytest.mark.virtual_time

USUAL = 10
HOUR = 3600.0


class Limits:
    """``passed`` has for each limit that has passed after how many seconds. Its run ends then."""

    def __init__(self, usual: float | None = USUAL) -> None:
        self.passed: list[float] = []
        self.clock = VirtualClock(the_loop())
        self._began = the_loop().time()
        self.limits = RunLimits(self.clock, usual, self._pass)

    def start(self, since: float, epoch: int = 3, graph: PlanGraph = PAIR) -> ActiveRun:
        """Start the limit of a run that was started so many seconds ago."""
        started_at = self.clock.wall() - round(since * SECOND)
        run = active_run(graph, started_at=started_at, epoch=epoch)
        self.limits.start(run)
        return run

    def _pass(self, run: ActiveRun, deadline: Deadline) -> None:
        assert deadline == run.limit.deadline
        self.passed.append(round(the_loop().time() - self._began, 3))
        self.limits.forget(run)

    async def in_time(self) -> list[float]:
        """After how many seconds limits have passed, in the next hour."""
        await asyncio.sleep(HOUR)
        return self.passed


@pytest.fixture
async def limits() -> Limits:
    return Limits()


@pytest.mark.parametrize(
    ("passed", "epoch", "since"),
    [
        (6.0, 3, 4.0),
        (0.0, 3, HOUR),
        (USUAL, 3, -HOUR),  # the clock was set back since
        (USUAL, 1, HOUR),  # it was just made, however long that took
    ],
)
async def test_a_run_has_what_is_left_of_its_time(
    limits: Limits, passed: float, epoch: int, since: float
) -> None:
    limits.start(since, epoch)

    assert await limits.in_time() == [passed]


async def test_without_a_limit_there_is_none() -> None:
    limits = Limits(usual=None)
    run = limits.start(0.0)

    assert (await limits.in_time(), run.limit.deadline) == ([], None)


async def test_the_limit_of_its_workflow_goes_before_the_runners(limits: Limits) -> None:
    limits.start(4.0, graph=PAIR._replace(time_limit=9.0))

    assert await limits.in_time() == [5.0]


@pytest.mark.parametrize(
    ("step", "passed"),
    [
        (-0.2, 10.2),  # corrected: no limit passes before its deadline
        (-HOUR, 10.0),  # set back: the time that has passed counts
    ],
)
async def test_the_clock_changes_meanwhile(limits: Limits, step: float, passed: float) -> None:
    limits.start(0.0)
    await asyncio.sleep(4)
    limits.clock.step(step)

    assert await limits.in_time() == [passed]


@pytest.mark.parametrize("stands_still", ["rest", "stop"])
async def test_it_stands_still_for_a_while(limits: Limits, stands_still: str) -> None:
    run = limits.start(0.0, epoch=1)
    await asyncio.sleep(4)
    getattr(limits.limits, stands_still)(run)
    await asyncio.sleep(60)
    limits.limits.go_on(run)

    assert await limits.in_time() == [70.0]


async def test_a_new_run_has_no_more_time_after_a_rest_of_no_time(limits: Limits) -> None:
    run = limits.start(0.0, epoch=1)
    await asyncio.sleep(4)
    limits.limits.rest(run)
    limits.limits.go_on(run)

    assert await limits.in_time() == [10.0]


async def test_it_may_be_over_before_it_goes_on(limits: Limits) -> None:
    run = limits.start(0.0)
    await asyncio.sleep(4)
    limits.limits.stop(run)
    limits.clock.step(HOUR)  # in which it did not stand still: the clock was wrong
    limits.limits.go_on(run)

    assert await limits.in_time() == [10.0]


async def test_none_passes_of_a_run_that_has_ended(limits: Limits) -> None:
    limits.limits.forget(limits.start(0.0))

    assert await limits.in_time() == []


# -- the run ends ----------------------------------------------------------------------------------


async def test_what_is_under_way_is_cut_short_in_the_same_record() -> None:
    scene = Scene(pipeline_timeout_seconds=USUAL)
    scene.adopt(PAIR)
    body = scene.begin()

    record = await scene.journal.commit()

    assert rows_of(record) == [("a", 1, "Cancelled"), ("b", 1, "Cancelled")]
    assert {row.skip_reason for row in record.attempts} == {"Pipeline timeout after 10s"}
    assert {row.reason_code for row in record.attempts} == {"deadline_exceeded"}
    end = scene.ended[0][1]
    assert end[2:5] == ("Failed", None, "Pipeline timeout after 10s")
    assert (end.reason_code, end.limit_seconds) == ("deadline_exceeded", USUAL)
    assert (body.abandoned, scene.executor.queued) == (True, [])
    assert not scene.orchestrator.control.limits._timers._limit_of


def overdue(scene: Scene, *arguments: Any, **fields: Any) -> None:
    """A run comes that another runner began long ago."""
    scene.adopt(*arguments, started_at=scene.clock.wall() - 3600 * SECOND, epoch=3, **fields)


async def test_no_body_starts_after_it() -> None:
    scene = Scene(pipeline_timeout_seconds=USUAL)
    overdue(scene, CHAIN, past=[attempt_row("r", "a")])
    assert not scene.executor.queued

    end = await scene.the_end()

    assert (end.status, end.error_message) == ("Failed", "Pipeline timeout after 10s")


async def test_it_stays_the_reason_beside_a_context_that_is_too_large() -> None:
    scene = Scene(pipeline_timeout_seconds=USUAL, max_context_bytes=8)
    overdue(scene, CHAIN, {"n": "x" * 9}, past=[attempt_row("r", "a")])

    end = await scene.the_end()

    assert (end.reason_code, end.limit_seconds) == ("deadline_exceeded", USUAL)
    assert end.error_message is not None
    assert end.error_message.startswith("Pipeline timeout after 10s; the final context is")


async def test_a_run_that_had_done_everything_in_time_has_its_true_end() -> None:
    scene = Scene(pipeline_timeout_seconds=USUAL)
    overdue(scene, PAIR, past=[attempt_row("r", "a"), attempt_row("r", "b")])

    assert (await scene.the_end()).status == "Completed"
