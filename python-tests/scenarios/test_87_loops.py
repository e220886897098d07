"""87: a node runs another workflow again and again, until its context satisfies a condition."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from scenarios.steering import until
from tables import each_row

import cloaca
from cloaca.testing import crash_at_every_point

WAIT = 60

Context = cloaca.Context


@pytest.fixture(autouse=True)
def child() -> None:
    """A workflow that adds a step to a number."""
    with cloaca.WorkflowBuilder("add"):

        @cloaca.task(retry_attempts=1)
        def add(context: Context) -> dict[str, Any]:
            return {"n": context["n"] + context["step"]}


def up_to_ten(most: int = 5, policy: Literal["fail", "pause"] = "fail") -> None:
    with cloaca.WorkflowBuilder("up") as builder:
        builder.exhausted_policy(policy)
        cloaca.loop(
            "a",
            "add",
            until=cloaca.context_value("n", ">", 9),
            max_iterations=most,
            context={"n": "start", "step": cloaca.constant(3)},
            outputs=["n"],
        )


def fails_at_four() -> list[bool]:
    """The same workflow, which fails at 4 until the list has an element."""
    heals: list[bool] = []
    with cloaca.WorkflowBuilder("add"):

        @cloaca.task(retry_attempts=1)
        def add(context: Context) -> dict[str, Any]:
            if context["n"] == 4 and not heals:
                raise ValueError("not yet")
            return {"n": context["n"] + context["step"]}

    return heals


@pytest.mark.each_backend
def test_the_first_context_that_satisfies_the_condition_is_the_result(
    runner: cloaca.DefaultRunner,
) -> None:
    up_to_ten()

    found = [runner.submit("up", {"start": start}) for start in (4, 1, 12)]

    contexts = [run.result(WAIT).final_context["a"] for run in found]
    assert contexts == [{"n": 10}, {"n": 10}, {"n": 15}]
    assert [len(run.children()) for run in found] == [2, 3, 1]


@pytest.mark.each_backend
def test_after_the_last_iteration_the_node_fails(runner: cloaca.DefaultRunner) -> None:
    up_to_ten(most=2)

    run = runner.submit("up", {"start": 1})
    result = run.result(WAIT)
    last, _ = run.children()

    assert result.status == "Failed"
    assert result.task_results["a"].error_type == "LoopError"
    told = f"no iteration of loop 'a' satisfied its condition, the last of 2 was run {last.id}"
    assert told in str(result.task_results["a"].error)


@pytest.mark.each_backend
def test_a_retry_goes_on_with_the_iteration_that_failed(runner: cloaca.DefaultRunner) -> None:
    heals = fails_at_four()
    up_to_ten()
    run = runner.submit("up", {"start": 1})
    assert run.result(WAIT).status == "Failed"
    assert len(run.children()) == 2
    heals.append(True)
    run = runner.retry(run.id)

    assert run.result(WAIT).final_context["a"] == {"n": 10}
    assert [each.round for each in run.children()] == [1, 2, 1]


@pytest.mark.each_backend
def test_each_retry_runs_the_iteration_that_fails_once_more_and_no_other(
    runner: cloaca.DefaultRunner,
) -> None:
    fails_at_four()
    up_to_ten()
    run = runner.submit("up", {"start": 1})
    assert run.result(WAIT).status == "Failed"

    for number in (2, 3):
        run = runner.retry(run.id)

        assert run.result(WAIT).task_results["a"].error_type == "ChildFailedError"
        assert [each.round for each in run.children()] == [number, 1]


@pytest.mark.each_backend
@pytest.mark.parametrize(
    ("start", "rounds"),
    [
        (4, [1, 1, 1, 1]),  # 4 and 7 are iterations of another decision
        (1, [1, 2, 1]),
    ],
)
def test_an_iteration_that_failed_runs_again_only_if_the_loop_comes_to_it(
    runner: cloaca.DefaultRunner, start: int, rounds: list[int]
) -> None:
    """A task above the loop runs again, and gives it another input or the same."""
    heals, starts = fails_at_four(), [1, start]
    with cloaca.WorkflowBuilder("up"):

        @cloaca.task
        def prep(context: Context) -> dict[str, Any]:
            return {"start": starts.pop(0)}

        enough = cloaca.context_value("n", ">", 9)
        given: dict[str, Any] = {"n": "start", "step": cloaca.constant(3)}
        cloaca.loop("a", "add", until=enough, max_iterations=5, context=given, dependencies=[prep])

    run = runner.submit("up")
    assert run.result(WAIT).status == "Failed"
    heals.append(True)
    run = runner.retry(run.id, tasks=["prep"])

    assert run.result(WAIT).final_context["a"] == {"n": 10, "step": 3}
    assert [each.round for each in run.children()] == rounds


def test_a_loop_that_paused_its_run_goes_on_with_the_iteration_that_failed(
    runner: cloaca.DefaultRunner,
) -> None:
    heals = fails_at_four()
    up_to_ten(policy="pause")
    run = runner.submit("up", {"start": 1})
    until(lambda: run.status() == "Paused")
    run.resume()
    until(lambda: run.status() == "Paused" and len(run.children()) > 2)
    heals.append(True)
    run.resume()

    assert run.result(WAIT).final_context["a"] == {"n": 10}
    newest_first = ["Completed", "Completed", "Failed", "Failed", "Completed"]
    assert [each.status for each in run.children()] == newest_first


def test_a_retry_of_a_loop_without_an_end_begins_it_anew(runner: cloaca.DefaultRunner) -> None:
    up_to_ten(most=2)
    run = runner.submit("up", {"start": 1})
    assert run.result(WAIT).status == "Failed"

    run = runner.retry(run.id)

    assert run.result(WAIT).status == "Failed"
    assert [each.round for each in run.children()] == [1, 1, 1, 1]


@pytest.mark.backend("sqlite", reason="each engine has a database in memory")
def test_a_crash_at_any_point_repeats_no_iteration() -> None:
    up_to_ten()

    report = crash_at_every_point("up", {"start": 4})

    assert (report.status, report.different) == ("Completed", ())


@each_row(
    ("options", "error", "text"),
    [
        ({"max_iterations": 0}, ValueError, "max_iterations"),
        ({"max_iterations": True}, TypeError, "max_iterations"),
        ({"until": cloaca.task_success("x")}, ValueError, "until"),
        ({"until": cloaca.none_failed()}, ValueError, "until"),
        ({"until": "n"}, TypeError, "until must be a condition on the context"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, Any], error: type[Exception], text: str
) -> None:
    usual = {"until": cloaca.context_value("n", ">", 1), "max_iterations": 2}
    with cloaca.WorkflowBuilder("up"):
        cloaca.sleep("other", seconds=1)
        with pytest.raises(error, match=text):
            cloaca.loop("a", "add", **{**usual, **options})
