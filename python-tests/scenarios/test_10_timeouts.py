"""10: what takes too long is ended or waited for no longer.

That only its own time counts, and not that of a queue or a child, is shown in virtual time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

import cloaca

WAIT = 60
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Lets bodies go that wait for it, at the latest when the test ends."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.each_backend
def test_a_body_that_exceeds_its_time_fails(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    with cloaca.WorkflowBuilder("slow"):
        cloaca.task(id="only", timeout_seconds=0.05, retry_attempts=1)(
            lambda context: {"late": release.wait(WAIT)}
        )
    result = runner.execute("slow")
    assert result.error_message == (
        "1 task(s) failed, 0 completed, 0 skipped; "
        "first error: only: TimeoutError: Task execution timeout"
    )
    assert result.task_results["only"].error_type == "TimeoutError"


def test_a_result_that_comes_too_late_is_refused(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    returned = threading.Event()

    def body(context: cloaca.Context) -> dict[str, bool]:
        release.wait(WAIT)
        returned.set()
        return {"late": True}

    with cloaca.WorkflowBuilder("late"):
        cloaca.task(id="slow", timeout_seconds=0.05, retry_attempts=1)(body)
    handle = runner.submit("late")
    assert handle.result().status == "Failed"
    release.set()
    assert returned.wait(WAIT)
    assert handle.result().final_context.to_dict() == {}
    assert handle.tasks()["slow"].status == "Failed"


def test_nor_is_one_accepted_that_comes_while_the_timeout_is_judged(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    judged, returned = threading.Event(), threading.Event()

    async def body(context: cloaca.Context) -> dict[str, bool]:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        returned.set()
        return {"late": True}

    def condition(error: BaseException) -> bool:
        judged.set()
        return release.wait(WAIT)  # it takes too long as well, so it has no say

    with cloaca.WorkflowBuilder("late"):
        cloaca.task(id="slow", timeout_seconds=0.05, retry_attempts=2, retry_condition=condition)(
            body
        )
    result = runner.execute("late", timeout=WAIT)
    assert judged.is_set()
    assert returned.wait(WAIT)
    assert result.task_results["slow"].error == "TimeoutError: Task execution timeout"
    assert result.final_context.to_dict() == {}


def test_a_timeout_can_be_retried(runner: cloaca.DefaultRunner, release: threading.Event) -> None:
    attempts: list[int] = []

    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        attempts.append(handle.attempt)
        if handle.attempt == 1:
            release.wait(WAIT)

    with cloaca.WorkflowBuilder("again"):
        cloaca.task(
            id="only",
            timeout_seconds=0.2,
            retry_attempts=9,
            retry_condition="transient",
            retry_delay_ms=1,
        )(body)
    assert runner.execute("again").status == "Completed"
    assert attempts[:2] == [1, 2]


def test_an_async_body_is_cancelled(runner: cloaca.DefaultRunner) -> None:
    cancelled = threading.Event()

    async def body(context: cloaca.Context) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with cloaca.WorkflowBuilder("slow_coroutine"):
        cloaca.task(id="only", timeout_seconds=0.05, retry_attempts=1)(body)
    result = runner.execute("slow_coroutine")
    assert result.task_results["only"].error == "TimeoutError: Task execution timeout"
    assert cancelled.wait(WAIT)


def test_bodies_that_hang_do_not_take_the_slots_of_others(
    open_runner: OpenRunner, release: threading.Event
) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    with cloaca.WorkflowBuilder("hangs"):
        cloaca.task(id="only", timeout_seconds=0.05, retry_attempts=1)(
            lambda context: {"x": release.wait(WAIT)}
        )
    with cloaca.WorkflowBuilder("quick"):
        cloaca.task(id="only")(lambda context: {"quick": True})
    for _ in range(3):
        assert runner.execute("hangs").status == "Failed"
    assert runner.execute("quick").status == "Completed"
    assert runner.health()["abandoned_bodies"] == 3


def test_an_async_body_that_blocks_is_counted_until_it_ends(
    open_runner: OpenRunner, release: threading.Event
) -> None:
    runner = open_runner()

    async def blocks(context: cloaca.Context) -> None:
        release.wait(WAIT)  # what an async body should never do

    async def quick(context: cloaca.Context) -> dict[str, bool]:
        return {"quick": True}

    with cloaca.WorkflowBuilder("blocks"):
        cloaca.task(id="only", timeout_seconds=0.05, retry_attempts=1)(blocks)
    with cloaca.WorkflowBuilder("quick"):
        cloaca.task(id="only")(quick)
    assert runner.execute("blocks", timeout=WAIT).status == "Failed"
    behind = runner.submit("quick")
    assert runner.health()["abandoned_bodies"] == 1
    release.set()
    assert behind.result(WAIT).final_context.to_dict() == {"quick": True}
    assert runner.health()["abandoned_bodies"] == 0


def test_the_runners_default_bounds_a_task_and_the_deadline_a_run(
    open_runner: OpenRunner, release: threading.Event
) -> None:
    of_tasks = open_runner(task_timeout_seconds=1)
    of_runs = open_runner(pipeline_timeout_seconds=1)
    with cloaca.WorkflowBuilder("endless"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: {"x": release.wait(WAIT)})
        cloaca.task(id="after", dependencies=["only"])(lambda context: None)
    task_bound = of_tasks.submit("endless")
    handle = of_runs.submit("endless")

    message = r"^Workflow execution failed: Pipeline timeout after 1s$"
    with pytest.raises(cloaca.PipelineTimeoutError, match=message) as caught:
        of_runs.execute("endless")
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TimeoutError)

    result = handle.result()
    assert (result.status, result.error_message) == ("Failed", "Pipeline timeout after 1s")
    assert handle.status() == "Failed"
    mine = [run for run in of_runs.list_runs(workflow_name="endless") if run.id != task_bound.id]
    assert [run.status for run in mine] == ["Failed", "Failed"]

    bounded = task_bound.result().task_results["only"]
    assert (bounded.status, bounded.error) == ("Failed", "TimeoutError: Task execution timeout")


def test_a_task_may_have_no_limit_beside_the_runners(
    open_runner: OpenRunner, release: threading.Event
) -> None:
    runner = open_runner(task_timeout_seconds=1, pipeline_timeout_seconds=cloaca.NO_LIMIT)
    with cloaca.WorkflowBuilder("two"):
        cloaca.task(id="endless", timeout_seconds=cloaca.NO_LIMIT, retry_attempts=1)(
            lambda context: {"released": release.wait(WAIT)}
        )
        cloaca.task(id="bounded", retry_attempts=1, on_failure=lambda *_: release.set())(
            lambda context: {"x": release.wait(WAIT)}
        )
    tasks = runner.execute("two").task_results
    assert (tasks["bounded"].status, tasks["endless"].status) == ("Failed", "Completed")


def run_of_a_wait_that_ended(runner: cloaca.DefaultRunner) -> str:
    """Execute what does not end, and wait until the run is known at least."""
    timeout = 0.05
    while True:
        with pytest.raises(cloaca.PipelineTimeoutError) as caught:
            runner.execute("patient", timeout=timeout)
        assert caught.value.timeout == timeout
        if (run_id := caught.value.run_id) is not None:
            assert f"run {run_id} goes on" in str(caught.value)
            return run_id
        timeout *= 2  # the disk was slower than that


def test_the_timeout_of_a_wait_ends_only_the_wait(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    with cloaca.WorkflowBuilder("patient"):
        cloaca.task(id="only")(lambda context: {"released": release.wait(WAIT)})
    handle = runner.get_run(run_of_a_wait_that_ended(runner))
    for wait in (handle.wait, handle.result):
        with pytest.raises(cloaca.PipelineTimeoutError):
            wait(timeout=0.01)
        with pytest.raises(TimeoutError):
            wait(0)
    assert handle.status() == "Running"
    release.set()
    assert handle.result(timeout=WAIT).final_context.to_dict() == {"released": True}
    handle.wait(0)


@pytest.mark.parametrize("seconds", ["5", True, float("nan"), -1])
def test_so_is_the_timeout_of_a_wait(runner: cloaca.DefaultRunner, seconds: float) -> None:
    with cloaca.WorkflowBuilder("quick"):
        cloaca.task(id="only")(lambda context: None)
    handle = runner.submit("quick")
    for wait in (handle.wait, handle.result):
        with pytest.raises((ValueError, TypeError), match="timeout") as caught:
            wait(seconds)
        assert not isinstance(caught.value, TimeoutError)
    with pytest.raises((ValueError, TypeError), match="timeout") as caught:
        runner.execute("quick", timeout=seconds)
    assert not isinstance(caught.value, TimeoutError)
    assert [run.id for run in runner.list_runs()] == [handle.id]


def test_a_deadline_names_the_run(open_runner: OpenRunner, release: threading.Event) -> None:
    runner = open_runner(pipeline_timeout_seconds=1)
    with cloaca.WorkflowBuilder("doomed"):
        cloaca.task(id="only")(lambda context: {"released": release.wait(WAIT)})
    with pytest.raises(cloaca.PipelineTimeoutError) as caught:
        runner.execute("doomed")
    (run,) = runner.list_runs()
    assert (caught.value.run_id, caught.value.timeout) == (run.id, 1)


def test_nothing_runs_or_waits_in_a_run_that_its_deadline_has_ended(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    def fail(context: cloaca.Context) -> None:
        raise ValueError("again, later")

    with cloaca.WorkflowBuilder("doomed"):
        cloaca.task(id="held")(lambda context: {"released": release.wait(WAIT)})
        cloaca.task(id="tried", retry_delay_ms=60_000)(fail)
        cloaca.task(id="after", dependencies=["held"])(lambda context: None)
    expected = {"held": "Cancelled", "tried": "Failed", "after": "NotStarted"}
    for seconds in (1, 5, 25):  # on a busy machine they may not have begun after the first
        handle = runner.submit("doomed", time_limit=seconds)
        assert handle.result(WAIT).error_message == f"Pipeline timeout after {seconds}s"
        statuses = {task: result.status for task, result in handle.tasks().items()}
        if statuses == expected:
            break
    assert statuses == expected
