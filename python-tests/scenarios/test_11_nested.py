"""11: a body may run other workflows and wait for them, to any depth, and nothing locks up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import cloaca

QUICK: dict[str, Any] = {"retry_backoff": "fixed", "retry_delay_ms": 1, "retry_jitter": False}
OpenRunner = Callable[..., cloaca.DefaultRunner]


def define_factorial(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("factorial"):

        @cloaca.task(retry_attempts=1)
        def multiply(context: cloaca.Context) -> dict[str, int]:
            n = context["n"]
            if n == 0:
                return {"result": 1}
            return {"result": n * runner.execute("factorial", {"n": n - 1}).final_context["result"]}


@pytest.mark.each_backend
def test_a_body_uses_the_result_of_another_run(runner: cloaca.DefaultRunner) -> None:
    define_factorial(runner)
    assert runner.execute("factorial", {"n": 3}).final_context.to_dict() == {"n": 3, "result": 6}


@pytest.mark.parametrize(
    "limits",
    [
        {"max_concurrent_tasks": 1},
        {"max_active_runs": 1},
        {"max_concurrent_tasks": 1, "max_active_runs": 1},
    ],
)
def test_deeper_than_there_are_slots_and_places(
    open_runner: OpenRunner, limits: dict[str, int]
) -> None:
    runner = open_runner(**limits)
    define_factorial(runner)
    result = runner.execute("factorial", {"n": 12})
    assert result.error_message is None
    assert result.final_context["result"] == 479001600


def test_a_body_that_waits_for_another_run_is_shown_as_waiting(
    runner: cloaca.DefaultRunner,
) -> None:
    seen = threading.Event()
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: {"seen": seen.wait(60)})
    with cloaca.WorkflowBuilder("parent"):
        cloaca.task(id="ask")(lambda context: runner.execute("child").final_context)

    parent = runner.submit("parent")
    while (task := parent.tasks()["ask"]).status != "Waiting":
        pass
    seen.set()

    assert (task.attempts, task.retry_at, task.ended_at) == (1, None, None)
    assert parent.result(60).final_context["seen"] is True


def test_many_parents_at_once_on_one_slot(open_runner: OpenRunner) -> None:
    runner = open_runner(max_concurrent_tasks=1, max_active_runs=2)
    define_factorial(runner)
    handles = runner.submit_many("factorial", [{"n": 3}] * 20)
    assert [handle.result().final_context["result"] for handle in handles] == [6] * 20


def test_many_children_of_one_body(open_runner: OpenRunner) -> None:
    runner = open_runner(max_concurrent_tasks=2, max_active_runs=3)
    with cloaca.WorkflowBuilder("square"):
        cloaca.task(id="only")(lambda context: {"square": context["n"] ** 2})
    with cloaca.WorkflowBuilder("sum_of_squares"):

        @cloaca.task(retry_attempts=1)
        def gather(context: cloaca.Context) -> dict[str, int]:
            children = runner.submit_many("square", [{"n": n} for n in range(30)])
            one = runner.submit("square", {"n": 30})
            return {"sum": sum(c.result().final_context["square"] for c in [*children, one])}

    result = runner.execute("sum_of_squares")
    assert result.error_message is None
    assert result.final_context["sum"] == sum(n * n for n in range(31))


def test_a_body_that_is_tried_again_finds_the_children_it_started(
    runner: cloaca.DefaultRunner,
) -> None:
    bodies: list[str] = []
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: bodies.append(context["name"]))
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(retry_attempts=3, **QUICK)
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
            first = runner.execute("child", {"name": "first"})
            second = runner.submit("child", {"name": "second"})
            second.wait()
            if handle.attempt < 3:
                raise RuntimeError("after the children")
            return {"ids": [first.execution_id, second.id]}

    result = runner.execute("parent")
    assert bodies == ["first", "second"]
    runs = runner.list_runs(workflow_name="child")
    assert sorted(run.id for run in runs) == sorted(result.final_context["ids"])


def test_another_task_or_run_has_children_of_its_own(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: None)

    def body(context: cloaca.Context) -> None:
        runner.execute("child")
        runner.execute("child")

    with cloaca.WorkflowBuilder("parents"):
        cloaca.task(id="a")(body)
        cloaca.task(id="b")(body)
    runner.execute("parents")
    runner.execute("parents")
    assert len(runner.list_runs(workflow_name="child")) == 8


def test_a_failed_child_is_the_parents_to_judge(runner: cloaca.DefaultRunner) -> None:
    def fail(context: cloaca.Context) -> None:
        raise KeyError("inner")

    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="broken", retry_attempts=1)(fail)
    with cloaca.WorkflowBuilder("parent"):
        cloaca.task(id="looks")(lambda context: {"child": runner.execute("child").status})
        cloaca.task(id="insists", retry_attempts=1)(
            lambda context: runner.execute("child").raise_for_status()
        )
    result = runner.execute("parent")
    assert result.final_context.to_dict() == {"child": "Failed"}
    assert result.task_results["insists"].error_type == "RunFailedError"
    assert "broken: KeyError: 'inner'" in str(result.task_results["insists"].error)


def test_while_a_body_waits_its_slot_is_free(open_runner: OpenRunner) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    other_ran = threading.Event()
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: {"other ran": other_ran.wait(60)})
    with cloaca.WorkflowBuilder("other"):
        cloaca.task(id="only")(lambda context: other_ran.set())
    with cloaca.WorkflowBuilder("parent"):
        # One slot: the child takes it, then gives it to a run of its own.
        cloaca.task(id="only")(lambda context: runner.execute("middle").final_context)
    with cloaca.WorkflowBuilder("middle"):

        @cloaca.task
        def both(context: cloaca.Context) -> cloaca.Context:
            other = runner.submit("other")
            other.wait()
            return runner.execute("child").final_context

    assert runner.execute("parent").final_context.to_dict() == {"other ran": True}


def test_a_submitted_run_that_a_body_waits_for_runs_when_its_siblings_have_ended(
    open_runner: OpenRunner,
) -> None:
    """With one slot the sibling begins when the body waits; with one place the child when that
    has ended.
    """
    runner = open_runner(max_active_runs=1, max_concurrent_tasks=1, pipeline_timeout_seconds=30)
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: {"child ran": True})
    with cloaca.WorkflowBuilder("parent"):
        cloaca.task(id="waits")(lambda context: runner.submit("child").result().final_context)
        cloaca.task(id="sibling")(lambda context: {"sibling ran": True})

    result = runner.execute("parent")

    assert result.final_context.to_dict() == {"child ran": True, "sibling ran": True}


def test_a_body_whose_wait_ends_first_goes_on_when_it_has_its_slot_again(
    open_runner: OpenRunner,
) -> None:
    """Else more bodies would run than there are slots, and its time would stand still."""
    runner = open_runner(max_concurrent_tasks=1)
    begun, went_on, release = threading.Event(), threading.Event(), threading.Event()
    with cloaca.WorkflowBuilder("child"):

        @cloaca.task
        def only(context: cloaca.Context) -> None:
            begun.set()
            release.wait()

    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(retry_attempts=1)
        def waits(context: cloaca.Context) -> dict[str, bool]:
            child = runner.submit("child")
            while not begun.is_set():  # until then the child may not have had the slot
                with suppress(cloaca.PipelineTimeoutError):
                    child.wait(0.01)
            went_on.set()
            return {"its slot was free": release.is_set()}

    handle = runner.submit("parent")
    begun.wait()
    went_on.wait(0.05)  # it does not; too short a time lets a fault pass, but fails no test
    release.set()

    assert handle.result().final_context.to_dict() == {"its slot was free": True}


def test_a_body_may_look_after_a_run_as_often_as_it_likes(open_runner: OpenRunner) -> None:
    runner = open_runner(max_active_runs=1, max_concurrent_tasks=1, pipeline_timeout_seconds=30)
    looks = 0
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: {"child ran": True})
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(retry_attempts=1)
        def waits(context: cloaca.Context) -> cloaca.Context:
            nonlocal looks
            child = runner.submit("child")
            while True:
                looks += 1
                try:
                    return child.result(0.001 * looks).final_context
                except cloaca.PipelineTimeoutError:
                    continue

    handles = [runner.submit("parent") for _ in range(10)]

    assert {handle.result().final_context["child ran"] for handle in handles} == {True}


def test_threads_of_a_body_may_run_workflows(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: {"square": context["n"] ** 2})
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(retry_attempts=1)
        def body(context: cloaca.Context) -> dict[str, Any]:
            squares: dict[int, int] = {}

            def run(n: int) -> None:
                squares[n] = runner.execute("child", {"n": n}).final_context["square"]

            threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return {"squares": [squares[n] for n in range(4)]}

    assert runner.execute("parent").final_context["squares"] == [0, 1, 4, 9]


def test_shutdown_inside_a_body_is_refused_with_the_form_to_use(
    runner: cloaca.DefaultRunner,
) -> None:
    with cloaca.WorkflowBuilder("suicide"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: runner.shutdown())
    result = runner.execute("suicide")
    assert "RunnerUsageError" in str(result.error_message)
    assert "outside" in str(result.error_message)
    assert runner.list_runs() != []


@pytest.mark.parametrize("call", ["wait", "result"])
def test_a_body_that_waits_for_its_own_run_is_refused(
    runner: cloaca.DefaultRunner, call: str
) -> None:
    with cloaca.WorkflowBuilder("narcissus"):

        @cloaca.task(retry_attempts=1)
        def only(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            getattr(runner.get_run(handle.run_id), call)()

    result = runner.execute("narcissus")
    assert "RunnerUsageError" in str(result.error_message)
    assert "would wait for itself" in str(result.error_message)


def test_a_blocking_call_in_an_async_body_is_refused_with_the_form_to_use(
    runner: cloaca.DefaultRunner,
) -> None:
    define_factorial(runner)
    with cloaca.WorkflowBuilder("blocking"):

        @cloaca.task(retry_attempts=1)
        async def only(context: cloaca.Context) -> None:
            runner.execute("factorial", {"n": 1})

    result = runner.execute("blocking")
    assert "RunnerUsageError" in str(result.error_message)
    assert "AsyncRunner" in str(result.error_message)


def test_a_parent_that_is_tried_again_starts_a_failed_child_again(
    runner: cloaca.DefaultRunner,
) -> None:
    calls: list[str] = []

    def child(context: cloaca.Context) -> None:
        calls.append("child")
        if len(calls) == 1:
            raise ValueError("passing trouble")

    def parent(context: cloaca.Context) -> None:
        runner.execute("child").raise_for_status()

    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only", retry_attempts=1)(child)
    with cloaca.WorkflowBuilder("parent"):
        cloaca.task(id="only", retry_attempts=3, retry_delay_ms=1)(parent)

    assert runner.execute("parent").status == "Completed"
    assert calls == ["child", "child"]


def test_each_attempt_finds_the_child_that_completed_whichever_started_it(
    runner: cloaca.DefaultRunner,
) -> None:
    bodies: list[int] = []

    def child(context: cloaca.Context) -> None:
        bodies.append(len(bodies) + 1)
        if bodies == [1]:
            raise ValueError("passing trouble")

    def parent(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, str]:
        result = runner.execute("child")
        result.raise_for_status()
        if handle.attempt < 4:
            raise RuntimeError("after the child")
        return {"child": result.execution_id}

    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only", retry_attempts=1)(child)
    with cloaca.WorkflowBuilder("parent"):
        cloaca.task(id="only", retry_attempts=4, **QUICK)(parent)

    result = runner.execute("parent")

    assert bodies == [1, 2]
    completed, failed = runner.list_runs(workflow_name="child")
    assert (completed.status, failed.status) == ("Completed", "Failed")
    assert result.final_context["child"] == completed.id


def test_a_child_is_found_by_its_own_task_only(runner: cloaca.DefaultRunner) -> None:
    """Also where ids look like another task's with the number of a call or an attempt behind it."""
    children: dict[str, list[str]] = {"load": [], "load:1": []}

    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        ids = children[handle.task_id]
        ids += [runner.execute("child", {"of": handle.task_id}).execution_id for _ in range(2)]
        if handle.attempt == 1:
            raise RuntimeError("once more")

    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: 1 / 0)
    with cloaca.WorkflowBuilder("parents"):
        cloaca.task(id="load", retry_attempts=2, **QUICK)(body)
        cloaca.task(id="load:1", dependencies=["load"], retry_attempts=2, **QUICK)(body)

    assert runner.execute("parents").status == "Completed"
    assert len({*children["load"], *children["load:1"]}) == 8


def test_a_parent_that_is_tried_again_finds_a_completed_child(
    runner: cloaca.DefaultRunner,
) -> None:
    calls: list[str] = []

    def parent(context: cloaca.Context) -> None:
        runner.execute("child").raise_for_status()
        if not context.get("patient") and runner.list_runs(workflow_name="flag") == []:
            runner.execute("flag")
            raise ValueError("after the child was done")

    with cloaca.WorkflowBuilder("flag"):
        cloaca.task(id="only")(lambda context: None)
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: calls.append("child"))
    with cloaca.WorkflowBuilder("parent"):
        cloaca.task(id="only", retry_attempts=3, retry_delay_ms=1)(parent)

    assert runner.execute("parent").status == "Completed"
    assert calls == ["child"]


def test_a_workflow_that_executes_itself_without_end_is_stopped(
    runner: cloaca.DefaultRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cloaca_core.engine.observe.run_waits.DEEPEST", 20
    )  # 1000, each with a thread
    with cloaca.WorkflowBuilder("endless"):

        @cloaca.task(retry_attempts=1)
        def again(context: cloaca.Context) -> None:
            runner.execute("endless").raise_for_status()

    result = runner.execute("endless")

    assert result.status == "Failed"
    runs = runner.list_runs(workflow_name="endless")
    assert len(runs) == 21
    assert "execute itself without end" in str(runs[0].error_message)
