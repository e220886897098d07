"""08: callbacks are told of each attempt, in order, with copies, and can change nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

import cloaca

QUICK: dict[str, Any] = {"retry_backoff": "fixed", "retry_delay_ms": 1, "retry_jitter": False}


@pytest.mark.each_backend
def test_on_success_gets_the_short_id_and_the_output(runner: cloaca.DefaultRunner) -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    with cloaca.WorkflowBuilder("told"):
        cloaca.task(
            id="only", on_success=lambda task_id, context: told.append((task_id, context.to_dict()))
        )(lambda context: {"out": 1})
    runner.execute("told", {"in": 0})
    assert told == [("only", {"in": 0, "out": 1})]


def test_on_failure_gets_the_error_and_the_input_after_each_attempt(
    runner: cloaca.DefaultRunner,
) -> None:
    told: list[tuple[str, str, dict[str, Any]]] = []

    def body(context: cloaca.Context) -> None:
        context["half"] = "done"
        raise ValueError(f"attempt {len(told) + 1}")

    with cloaca.WorkflowBuilder("told"):
        cloaca.task(
            id="only",
            retry_attempts=3,
            on_failure=lambda task_id, error, context: told.append(
                (task_id, error, context.to_dict())
            ),
            on_success=lambda task_id, context: told.append(("no", "", {})),
            **QUICK,
        )(body)
    runner.execute("told", {"in": 0})
    assert [(task_id, context) for task_id, _, context in told] == [("only", {"in": 0})] * 3
    for number, (_, error, _) in enumerate(told, start=1):
        assert isinstance(error, str)
        assert f"attempt {number}" in error


def test_a_callback_ends_before_dependents_start_and_the_run_is_over(
    runner: cloaca.DefaultRunner,
) -> None:
    order: list[str] = []

    def note(what: str) -> Callable[..., None]:
        return lambda *_: order.append(what)

    def flaky(context: cloaca.Context) -> None:
        order.append("body")
        if order.count("body") == 1:
            raise RuntimeError("not yet")

    with cloaca.WorkflowBuilder("ordered"):
        cloaca.task(id="first", on_success=note("success"), on_failure=note("failure"), **QUICK)(
            flaky
        )
        cloaca.task(id="second", dependencies=["first"], on_success=note("second success"))(
            note("second")
        )
    runner.execute("ordered")
    order.append("over")
    assert order == ["body", "failure", "body", "success", "second", "second success", "over"]


def test_callbacks_may_be_async(runner: cloaca.DefaultRunner) -> None:
    told: list[str] = []

    async def succeeded(task_id: str, context: cloaca.Context) -> None:
        await asyncio.sleep(0)
        told.append(f"{task_id} succeeded")

    async def failed(task_id: str, error: str, context: cloaca.Context) -> None:
        await asyncio.sleep(0)
        told.append(f"{task_id} failed")

    def bad(context: cloaca.Context) -> None:
        raise RuntimeError

    async def good(context: cloaca.Context) -> None:
        await asyncio.sleep(0)

    with cloaca.WorkflowBuilder("async_callbacks"):
        cloaca.task(id="good", on_success=succeeded)(good)
        cloaca.task(id="bad", dependencies=["good"], on_failure=failed, retry_attempts=1)(bad)
    runner.execute("async_callbacks")
    assert told == ["good succeeded", "bad failed"]


@pytest.mark.parametrize("error", [ValueError("in the callback"), SystemExit(1)])
def test_what_a_callback_raises_changes_nothing(
    runner: cloaca.DefaultRunner, error: BaseException
) -> None:
    def raises(*_: object) -> None:
        raise error

    async def raises_async(*_: object) -> None:
        raise error

    def bad(context: cloaca.Context) -> None:
        raise RuntimeError("the body's own")

    with cloaca.WorkflowBuilder("callbacks_raise"):
        cloaca.task(id="good", on_success=raises)(lambda context: {"good": 1})
        cloaca.task(id="bad", dependencies=["good"], on_failure=raises, retry_attempts=1)(bad)
        cloaca.task(id="fine", dependencies=["good"], on_success=raises_async)(
            lambda context: {"fine": 2}
        )
    result = runner.execute("callbacks_raise")
    assert result.error_message == (
        "1 task(s) failed, 2 completed, 0 skipped; first error: bad: RuntimeError: the body's own"
    )
    assert result.final_context.to_dict() == {"good": 1, "fine": 2}


def test_what_a_callback_does_to_its_context_changes_nothing(runner: cloaca.DefaultRunner) -> None:
    def meddle(task_id: str, context: cloaca.Context) -> None:
        context["meddled"] = True
        context["list"].append(2)

    def meddle_again(task_id: str, error: str, context: cloaca.Context) -> None:
        context["list"] = "gone"

    calls: list[int] = []

    def flaky(context: cloaca.Context) -> None:
        calls.append(1)
        assert context["list"] == [1]
        if len(calls) == 1:
            raise RuntimeError("not yet")

    with cloaca.WorkflowBuilder("meddling"):
        cloaca.task(id="only", on_success=meddle, on_failure=meddle_again, **QUICK)(flaky)
        cloaca.task(id="after", dependencies=["only"])(lambda context: None)
    assert runner.execute("meddling", {"list": [1]}).final_context.to_dict() == {"list": [1]}
    assert len(calls) == 2


def test_a_skipped_task_calls_back_nobody(runner: cloaca.DefaultRunner) -> None:
    told: list[str] = []
    with cloaca.WorkflowBuilder("skipped"):
        cloaca.task(
            id="skipped",
            trigger_rules=cloaca.any_of(),
            on_success=lambda *_: told.append("success"),
            on_failure=lambda *_: told.append("failure"),
        )(lambda context: None)
    assert runner.execute("skipped").status == "Completed"
    assert told == []


def test_a_callback_may_run_a_workflow_itself(runner: cloaca.DefaultRunner) -> None:
    told: list[Any] = []
    with cloaca.WorkflowBuilder("notify"):
        cloaca.task(id="only")(lambda context: {"notified": context["who"]})
    with cloaca.WorkflowBuilder("notifying"):
        cloaca.task(
            id="only",
            on_success=lambda task_id, _: told.append(
                runner.execute("notify", {"who": task_id}).final_context["notified"]
            ),
        )(lambda context: None)
    assert runner.execute("notifying").status == "Completed"
    assert told == ["only"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_callback_that_waits_for_a_run_gives_its_slot_and_place_to_it(
    open_runner: Callable[..., cloaca.DefaultRunner], fails: bool
) -> None:
    """With one slot and one place it would wait for itself; its own limit would end that."""
    runner = open_runner(max_concurrent_tasks=1, max_active_runs=1, task_timeout_seconds=20)
    told: list[str] = []

    def tell(*_: object) -> None:
        told.append(runner.execute("report").status)

    def body(context: cloaca.Context) -> None:
        if fails:
            raise ValueError

    with cloaca.WorkflowBuilder("report"):
        cloaca.task(id="write")(lambda context: None)
    with cloaca.WorkflowBuilder("told"):
        cloaca.task(id="only", retry_attempts=2, on_success=tell, on_failure=tell, **QUICK)(body)

    runner.execute("told", timeout=60)

    assert told == ["Completed"] * (2 if fails else 1)
    # Each attempt is followed by a run of its own.
    assert len(runner.list_runs(workflow_name="report")) == len(told)


def test_a_callback_that_never_returns_has_the_time_of_its_attempt_and_no_more(
    open_runner: Callable[..., cloaca.DefaultRunner],
) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    never = threading.Event()
    with cloaca.WorkflowBuilder("stuck"):
        cloaca.task(id="only", timeout_seconds=0.05, on_success=lambda *_: never.wait())(
            lambda context: {"out": 1}
        )
    with cloaca.WorkflowBuilder("next"):
        cloaca.task(id="only")(lambda context: None)

    assert runner.execute("stuck", timeout=60).status == "Completed"
    assert runner.execute("next", timeout=60).status == "Completed"
    assert runner.health()["abandoned_bodies"] == 1
    never.set()


class _AsyncCallable:
    """Not ``async def`` itself, but called with await."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def __call__(self, task_id: str, *_: object) -> None:
        await asyncio.sleep(0)
        self.told.append(task_id)


def test_an_object_with_an_async_call_is_awaited(runner: cloaca.DefaultRunner) -> None:
    callback = _AsyncCallable()
    with cloaca.WorkflowBuilder("told"):
        cloaca.task(id="only", on_success=callback)(lambda context: None)
    runner.execute("told").raise_for_status()
    assert callback.told == ["only"]


def test_a_callback_that_makes_a_coroutine_without_saying_so_is_logged(
    runner: cloaca.DefaultRunner, caplog: pytest.LogCaptureFixture
) -> None:
    async def never_awaited() -> None:
        """Would warn on stderr if it were left alone."""

    with cloaca.WorkflowBuilder("told"):
        cloaca.task(id="only", on_success=lambda *_: never_awaited())(lambda context: None)
    run = runner.execute("told")

    assert run.status == "Completed"
    (record,) = [each for each in caplog.records if "on_success" in each.getMessage()]
    assert "async" in record.getMessage()
    assert (vars(record)["run_id"], vars(record)["attempt"]) == (run.execution_id, 1)
