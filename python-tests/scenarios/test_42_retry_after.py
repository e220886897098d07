"""42: a body says when it is tried again, and whether that uses up one of its attempts."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from tables import each_row

import cloaca

WAIT = 60


class Asking:
    """A body that raises these errors, one in each attempt, and then does its work."""

    def __init__(self, *errors: BaseException) -> None:
        self.attempts: list[int] = []
        self.first = threading.Event()
        self._errors = list(errors)

    def __call__(self, handle: cloaca.TaskHandle) -> None:
        self.attempts.append(handle.attempt)
        self.first.set()
        if self._errors:
            raise self._errors.pop(0)


def define(body: Asking, **options: Any) -> None:
    with cloaca.WorkflowBuilder("asking"):

        @cloaca.task(id="only", **options)
        def only(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            body(handle)


def run(runner: cloaca.DefaultRunner, body: Asking, **options: Any) -> cloaca.PipelineResult:
    define(body, **options)
    return runner.execute("asking")


@pytest.mark.each_backend
def test_the_next_attempt_begins_when_the_body_asked_for_it(runner: cloaca.DefaultRunner) -> None:
    """Sooner or later than the back-off of the task."""
    body = Asking(cloaca.RetryAfter(0.05), cloaca.RetryAfter(timedelta(0)))

    result = run(runner, body, retry_delay_ms=3_600_000, retry_max_delay_ms=3_600_000)

    assert result.status == "Completed"
    assert body.attempts == [1, 2, 3]
    assert result.duration is not None
    assert result.duration >= 0.05


async def test_an_async_body_asks_as_well(database_url: str) -> None:
    attempts: list[int] = []
    with cloaca.WorkflowBuilder("asking_async"):

        @cloaca.task(retry_attempts=1)
        async def look(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            attempts.append(handle.attempt)
            if len(attempts) < 3:
                raise cloaca.RetryAfter(0, count=False)

    async with cloaca.AsyncRunner(database_url) as runner:
        result = await runner.execute("asking_async")

    assert result.status == "Completed"
    assert attempts == [1, 2, 3]


def test_a_task_waits_until_then_and_says_why(runner: cloaca.DefaultRunner) -> None:
    """For longer than the longest delay of its policy."""
    body = Asking(cloaca.RetryAfter(timedelta(days=30), ConnectionError("closed for a month")))
    define(body)
    handle = runner.submit("asking")
    assert body.first.wait(WAIT)
    while handle.tasks()["only"].status != "Waiting":
        with pytest.raises(cloaca.PipelineTimeoutError):
            handle.wait(timeout=0.01)

    task = handle.tasks()["only"]

    assert task.attempts == 1
    assert task.error == "ConnectionError: closed for a month"
    assert (task.started_at, task.retry_at) != (None, None)
    begun, due = map(datetime.fromisoformat, (str(task.started_at), str(task.retry_at)))
    assert due - begun >= timedelta(days=30)


@each_row(
    ("options", "attempts"),
    [
        ({"retry_attempts": 1}, 1),
        ({"retry_attempts": 2}, 2),
        # the condition is not asked: the body has decided
        ({"retry_attempts": 2, "retry_condition": "never"}, 2),
        ({"retry_attempts": 2, "retry_condition": [KeyError]}, 2),
    ],
)
def test_when_the_attempts_are_used_up_the_task_fails_with_the_cause(
    runner: cloaca.DefaultRunner, options: dict[str, Any], attempts: int
) -> None:
    body = Asking(*[cloaca.RetryAfter(0, ConnectionError("busy")) for _ in range(9)])

    result = run(runner, body, **options)

    assert result.status == "Failed"
    assert body.attempts == list(range(1, attempts + 1))
    task = result.task_results["only"]
    assert (task.error_type, task.error) == ("ConnectionError", "ConnectionError: busy")
    assert "RetryAfter: try again after 0 s" in str(task.traceback)


def test_without_a_cause_the_task_fails_with_what_it_asked_for(
    runner: cloaca.DefaultRunner,
) -> None:
    result = run(runner, Asking(cloaca.RetryAfter(5)), retry_attempts=1)

    assert result.task_results["only"].error == "RetryAfter: try again after 5 s"


def test_attempts_that_do_not_count_leave_the_task_all_of_its_own(
    runner: cloaca.DefaultRunner,
) -> None:
    """Five looks in vain, then an error, two more looks, and the second and last error."""
    look = cloaca.RetryAfter(0, count=False)
    body = Asking(*[look] * 5, ValueError("first"), look, look, ValueError("second"), look)

    result = run(runner, body, retry_attempts=2, retry_delay_ms=1)

    assert result.status == "Failed"
    assert body.attempts == list(range(1, 10))
    task = result.task_results["only"]
    assert (task.attempts, task.error) == (9, "ValueError: second")


def test_a_failure_is_told_of_each_attempt_by_its_cause(runner: cloaca.DefaultRunner) -> None:
    told: list[str] = []
    body = Asking(cloaca.RetryAfter(0, count=False), cloaca.RetryAfter(0, KeyError("k")))

    run(runner, body, on_failure=lambda task_id, error, context: told.append(error))

    assert told == ["RetryAfter: try again after 0 s", "KeyError: 'k'"]


def test_a_mistake_in_the_call_fails_the_attempt_with_its_name(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder("mistaken"):

        @cloaca.task(id="only", retry_attempts=1)
        def only(context: cloaca.Context) -> None:
            raise cloaca.RetryAfter("30")  # type: ignore[arg-type]  # what is refused

    result = runner.execute("mistaken")

    error = "seconds must be a number of seconds or a timedelta, got str"
    assert result.task_results["only"].error == f"DefinitionTypeError: {error}"
