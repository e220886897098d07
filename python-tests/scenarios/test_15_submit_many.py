"""15: thousands of runs in one call: accepted together, run as places become free."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from tables import each_row

import cloaca

WAIT = 60
OpenRunner = Callable[..., cloaca.DefaultRunner]


def define_double() -> None:
    with cloaca.WorkflowBuilder("double"):
        cloaca.task(id="only")(lambda context: {"doubled": 2 * context["n"]})


def test_three_thousand_runs_end_as_they_should(runner: cloaca.DefaultRunner) -> None:
    define_double()
    handles = runner.submit_many("double", [{"n": n} for n in range(3000)])
    doubled = [handle.result(WAIT).final_context["doubled"] for handle in handles]
    assert doubled == [2 * n for n in range(3000)]
    assert len({handle.id for handle in handles}) == 3000


@pytest.mark.each_backend
def test_beyond_max_active_runs_they_wait_in_the_table(open_runner: OpenRunner) -> None:
    runner = open_runner(max_active_runs=5, max_concurrent_tasks=8)
    inside: list[int] = []
    most: list[int] = []
    five_inside = threading.Event()
    release = threading.Event()

    def body(context: cloaca.Context) -> None:
        inside.append(1)
        most.append(len(inside))
        if len(inside) >= 5:
            five_inside.set()
        assert release.wait(WAIT)
        inside.pop()

    with cloaca.WorkflowBuilder("bounded"):
        cloaca.task(id="only", retry_attempts=1)(body)
    handles = runner.submit_many("bounded", [None] * 60)
    assert five_inside.wait(WAIT)
    assert len(runner.list_runs(status="Running")) == 5
    assert len(runner.list_runs(status="Pending")) == 55
    release.set()
    assert {handle.result(WAIT).status for handle in handles} == {"Completed"}
    assert max(most) == 5


def test_inputs_may_be_of_every_form(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("forms"):
        cloaca.task(id="only")(lambda context: {"saw": len(context)})
    handles = runner.submit_many("forms", (None, {}, {"a": 1}, cloaca.Context({"a": 1, "b": 2})))
    assert [handle.result(WAIT).final_context["saw"] for handle in handles] == [0, 0, 1, 2]


def test_no_inputs_are_no_runs(runner: cloaca.DefaultRunner) -> None:
    define_double()
    assert runner.submit_many("double", []) == []
    assert runner.list_runs() == []


def test_one_bad_input_and_none_is_accepted(runner: cloaca.DefaultRunner) -> None:
    define_double()
    good = {"n": 1}
    with pytest.raises(ValueError, match=r"^contexts\[1\]\.n: "):
        runner.submit_many("double", [good, {"n": float("nan")}, good])
    with pytest.raises(TypeError, match=r"^contexts\[1\]: context must be"):
        runner.submit_many("double", [good, 7])  # type: ignore[list-item]  # refused at run time
    assert runner.list_runs() == []


@each_row("contexts", [{"n": 1}, "text", 7, None, cloaca.Context({"n": 1})])
def test_one_context_is_not_many(runner: cloaca.DefaultRunner, contexts: object) -> None:
    define_double()
    with pytest.raises(TypeError, match="contexts"):
        runner.submit_many("double", contexts)  # type: ignore[arg-type]  # refused at run time
    assert runner.list_runs() == []


def test_tags_are_those_of_every_run(runner: cloaca.DefaultRunner) -> None:
    define_double()
    runner.submit_many("double", [{"n": n} for n in range(3)], tags={"batch": "7"})
    runner.submit_many("double", [{"n": 9}])
    assert len(runner.list_runs(tags={"batch": "7"})) == 3
    assert {tuple(run.tags.items()) for run in runner.list_runs()} == {(("batch", "7"),), ()}


@pytest.mark.each_backend
def test_one_failing_run_among_many_fails_alone(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("divide"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: {"x": 1 / context["n"]})
    handles = runner.submit_many("divide", [{"n": n} for n in range(-50, 50)])
    statuses = [handle.result(WAIT).status for handle in handles]
    assert [
        n for n, status in zip(range(-50, 50), statuses, strict=True) if status == "Failed"
    ] == [0]


def test_single_runs_get_in_between(open_runner: OpenRunner) -> None:
    """A long queue of runs does not keep the runner from answering."""
    runner = open_runner(max_active_runs=10)
    define_double()
    handles = runner.submit_many("double", [{"n": n} for n in range(2000)])
    assert runner.execute("double", {"n": -1}, timeout=WAIT).final_context["doubled"] == -2
    assert runner.get_run(handles[-1].id).status() in {"Pending", "Running", "Completed"}
    handles[-1].wait(WAIT)


def test_what_a_generator_gave_before_a_bad_context_is_not_lost(
    runner: cloaca.DefaultRunner,
) -> None:
    define_double()
    inputs = ({"n": n if n < 10_003 else {n}} for n in range(10_005))
    with pytest.raises(TypeError, match=r"^contexts\[10003\]\.n: ") as caught:
        runner.submit_many("double", inputs)
    assert isinstance(caught.value, cloaca.ContextTypeError)
    assert caught.value.path == "contexts[10003].n"
    assert len(caught.value.accepted) == 10_000
    assert caught.value.accepted[-1].result(WAIT).final_context["doubled"] == 2 * 9_999


def test_an_unknown_workflow_is_refused_without_inputs_too(runner: cloaca.DefaultRunner) -> None:
    with pytest.raises(cloaca.WorkflowNotFoundError):
        runner.submit_many("nope", [])


def test_a_closed_runner_says_so_before_it_looks_at_arguments(
    runner: cloaca.DefaultRunner,
) -> None:
    runner.shutdown()
    for call in (runner.execute, runner.submit):
        with pytest.raises(cloaca.RunnerClosedError):
            call("nope")
    with pytest.raises(cloaca.RunnerClosedError):
        runner.submit_many("nope", [])
