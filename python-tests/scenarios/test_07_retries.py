"""07: a failed attempt is tried again, as often, as long and for what the task says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tables import each_row

import cloaca

WAIT = 60
QUICK: dict[str, Any] = {"retry_backoff": "fixed", "retry_delay_ms": 1, "retry_jitter": False}


class Flaky:
    """A body that fails so many times, and then does its work."""

    def __init__(self, failures: int, error: BaseException | None = None) -> None:
        self.calls = 0
        self._failures = failures
        self._error = error or RuntimeError("not yet")

    def __call__(self, context: cloaca.Context) -> None:
        self.calls += 1
        context["calls"] = self.calls
        if self.calls <= self._failures:
            raise self._error


def run(runner: cloaca.DefaultRunner, body: Flaky, **options: Any) -> cloaca.PipelineResult:
    with cloaca.WorkflowBuilder("flaky"):
        cloaca.task(id="only", **{**QUICK, **options})(body)
    return runner.execute("flaky")


@pytest.mark.each_backend
def test_a_task_that_recovers_completes_its_run(runner: cloaca.DefaultRunner) -> None:
    body = Flaky(2)
    result = run(runner, body, retry_attempts=5)
    assert result.status == "Completed"
    assert body.calls == 3
    task = result.task_results["only"]
    assert (task.status, task.attempts, task.error) == ("Completed", 3, None)
    assert result.final_context.to_dict() == {"calls": 3}


@each_row(
    ("given", "attempts"),
    [
        (None, 3),  # the default
        (0, 1),  # 0 means one as well
        (1, 1),
        (2, 2),
        (4, 4),
    ],
)
def test_so_many_attempts_are_made_in_all(
    runner: cloaca.DefaultRunner, given: int | None, attempts: int
) -> None:
    body = Flaky(100)
    result = run(runner, body, retry_attempts=given)
    assert result.status == "Failed"
    assert body.calls == attempts
    assert result.task_results["only"].attempts == attempts
    assert result.task_results["only"].error == "RuntimeError: not yet"


def test_each_attempt_starts_from_the_same_input(runner: cloaca.DefaultRunner) -> None:
    seen: list[dict[str, Any]] = []

    def body(context: cloaca.Context) -> None:
        seen.append(context.to_dict())
        context["left behind"] = True
        context["list"].append(1)
        if len(seen) < 3:
            raise RuntimeError("not yet")

    with cloaca.WorkflowBuilder("same_input"):
        cloaca.task(id="only", retry_attempts=3, **QUICK)(body)
    runner.execute("same_input", {"list": []})
    assert seen == [{"list": []}] * 3


@each_row(
    ("condition", "error", "calls"),
    [
        ("never", RuntimeError("x"), 1),
        ("all", RuntimeError("x"), 3),
        ("transient", ValueError("wrong colour"), 1),
        ("transient", RuntimeError("Rate Limit reached"), 3),
        ("transient", TimeoutError(), 3),
        ("transient", ConnectionResetError(), 3),
        ("transient", OSError("Network is down"), 3),
        (ValueError, ValueError("x"), 3),
        (ValueError, UnicodeError("a subclass"), 3),
        (ValueError, KeyError("another"), 1),
        ((KeyError, ValueError), KeyError("x"), 3),
        ([KeyError], ValueError("x"), 1),
        (lambda error: "again" in str(error), RuntimeError("try again"), 3),
        (lambda error: "again" in str(error), RuntimeError("stop"), 1),
        (cloaca.RetryCondition.error_pattern(["THROTTLED"]), RuntimeError("throttled"), 3),
        (cloaca.RetryCondition.error_pattern(["throttled"]), RuntimeError("other"), 1),
    ],
)
def test_the_condition_decides_what_is_worth_another_attempt(
    shared_runner: cloaca.DefaultRunner, condition: Any, error: BaseException, calls: int
) -> None:
    body = Flaky(100, error)
    result = run(shared_runner, body, retry_attempts=3, retry_condition=condition)
    assert body.calls == calls
    assert result.task_results["only"].attempts == calls


def test_a_condition_that_raises_counts_as_no(runner: cloaca.DefaultRunner) -> None:
    def broken(error: BaseException) -> bool:
        raise KeyError("the condition itself")

    body = Flaky(100)
    result = run(runner, body, retry_attempts=3, retry_condition=broken)
    assert body.calls == 1
    assert "RuntimeError: not yet" in str(result.error_message)


def test_a_policy_object_says_the_same(runner: cloaca.DefaultRunner) -> None:
    policy = (
        cloaca.RetryPolicy.builder()
        .max_attempts(4)
        .initial_delay(0.001)
        .backoff_strategy(cloaca.BackoffStrategy.fixed())
        .retry_condition(cloaca.RetryCondition.all_errors())
        .with_jitter(False)
        .build()
    )
    body = Flaky(100)
    with cloaca.WorkflowBuilder("policy"):
        cloaca.task(id="only", retry=policy)(body)
    runner.execute("policy")
    assert body.calls == 4


def test_the_next_attempt_waits_as_long_as_the_policy_says(runner: cloaca.DefaultRunner) -> None:
    result = run(runner, Flaky(3), retry_attempts=4, retry_backoff="linear", retry_delay_ms=20)
    # 20 + 40 + 60 ms; no upper bound: the machine may be busy
    assert result.duration is not None
    assert result.duration >= 0.12


@each_row(
    ("strategy", "delays"),
    [
        (cloaca.BackoffStrategy.fixed(), [2.0, 2.0, 2.0, 2.0]),
        (cloaca.BackoffStrategy.linear(1.5), [3.0, 6.0, 9.0, 10.0]),
        (cloaca.BackoffStrategy.exponential(2.0), [2.0, 4.0, 8.0, 10.0]),
        (cloaca.BackoffStrategy.exponential(3.0, 0.5), [1.0, 3.0, 9.0, 10.0]),
    ],
)
def test_the_delays_of_a_policy(strategy: cloaca.BackoffStrategy, delays: list[float]) -> None:
    policy = (
        cloaca.RetryPolicy.builder()
        .initial_delay(2)
        .max_delay(10)
        .backoff_strategy(strategy)
        .with_jitter(False)
        .build()
    )
    assert [policy.calculate_delay(attempt) for attempt in (1, 2, 3, 4)] == delays


def test_jitter_stays_within_a_quarter() -> None:
    policy = cloaca.RetryPolicy.builder().initial_delay(1).with_jitter(True).build()
    delays = {policy.calculate_delay(1) for _ in range(200)}
    assert 0.75 <= min(delays) < max(delays) <= 1.25


def test_a_policy_is_a_value() -> None:
    default = cloaca.RetryPolicy.default()
    assert (default.max_attempts, default.initial_delay, default.max_delay) == (3, 1.0, 60.0)
    assert default.with_jitter is True
    assert default == cloaca.RetryPolicy.builder().build()
    assert repr(default).startswith("RetryPolicy(max_attempts=3, ")
    assert default.should_retry(1, "ValueError") is True
    assert default.should_retry(3, "ValueError") is False
    builder = cloaca.RetryPolicy.builder()
    assert builder.max_attempts(7) is not builder
    assert builder.build().max_attempts == 3


def test_dependents_wait_for_the_attempt_that_succeeds(runner: cloaca.DefaultRunner) -> None:
    body = Flaky(2)
    with cloaca.WorkflowBuilder("wait_for_it"):
        cloaca.task(id="flaky", **QUICK)(body)
        cloaca.task(id="after", dependencies=["flaky"])(
            lambda context: {"saw": context["calls"], "really": body.calls}
        )
    final = runner.execute("wait_for_it").final_context
    assert final.to_dict() == {"calls": 3, "saw": 3, "really": 3}


def test_a_task_that_waits_for_its_next_attempt_says_so_and_holds_nothing_up(
    open_runner: Callable[..., cloaca.DefaultRunner],
) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    through = threading.Event()
    with cloaca.WorkflowBuilder("waiting"):
        cloaca.task(id="flaky", **{**QUICK, "retry_delay_ms": 60_000})(Flaky(100))
        cloaca.task(id="other")(lambda context: None)
        cloaca.task(id="after_other", dependencies=["other"])(lambda context: through.set())
    handle = runner.submit("waiting")
    assert through.wait(WAIT)
    while handle.status() != "Waiting":  # once nothing else of it can go on
        with pytest.raises(cloaca.PipelineTimeoutError):
            handle.wait(timeout=0.01)
    task = handle.tasks()["flaky"]
    assert (task.status, task.attempts, task.error) == ("Waiting", 1, "RuntimeError: not yet")
    assert task.retry_at is not None
