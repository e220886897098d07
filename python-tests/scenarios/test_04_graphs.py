"""04: tasks in graphs of all shapes: what runs, in which order, and what is side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

import cloaca

WAIT = 60


def full(workflow: str, *ids: str) -> list[str]:
    return [f"public::embedded::{workflow}::{task_id}" for task_id in ids]


@pytest.mark.each_backend
def test_a_diamond_joins_what_its_branches_wrote(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("diamond"):

        @cloaca.task
        def top(context: cloaca.Context) -> None:
            context.set("value", 10)

        @cloaca.task(dependencies=["top"])
        def left(context: cloaca.Context) -> None:
            context.set("left", context["value"] + 1)

        @cloaca.task(dependencies=[top])
        def right(context: cloaca.Context) -> None:
            context.set("right", context["value"] + 2)

        @cloaca.task(dependencies=[left, "right"])
        def bottom(context: cloaca.Context) -> None:
            context.set("sum", context["left"] + context["right"])

    final = runner.execute("diamond").final_context
    assert final.to_dict() == {"value": 10, "left": 11, "right": 12, "sum": 23}


def test_branches_run_side_by_side(runner: cloaca.DefaultRunner) -> None:
    together = threading.Barrier(3)

    def meet(context: cloaca.Context) -> None:
        together.wait(WAIT)

    with cloaca.WorkflowBuilder("side_by_side"):
        for name in ("a", "b", "c"):
            cloaca.task(id=name, retry_attempts=1)(meet)
    assert runner.execute("side_by_side").error_message is None


def test_one_to_fifty_to_one(runner: cloaca.DefaultRunner) -> None:
    def square(index: int) -> Callable[[cloaca.Context], dict[str, int]]:
        return lambda context: {f"square_{index}": (index + context["offset"]) ** 2}

    with cloaca.WorkflowBuilder("wide"):
        cloaca.task(id="split")(lambda context: {"offset": 1})
        for index in range(50):
            cloaca.task(id=f"part_{index}", dependencies=["split"])(square(index))

        @cloaca.task(dependencies=[f"part_{index}" for index in range(50)])
        def join(context: cloaca.Context) -> None:
            context.set("total", sum(context[f"square_{index}"] for index in range(50)))

    result = runner.execute("wide")
    assert result.final_context["total"] == sum(n * n for n in range(1, 51))
    assert len(result.final_context) == 52
    assert {task.status for task in result.task_results.values()} == {"Completed"}
    assert len(result.task_results) == 52


def test_a_task_starts_when_its_own_dependencies_are_done(runner: cloaca.DefaultRunner) -> None:
    """Not when its whole level is: a slow branch does not hold up a quick one."""
    quick_is_through = threading.Event()
    with cloaca.WorkflowBuilder("no_levels"):

        @cloaca.task(retry_attempts=1)
        def slow(context: cloaca.Context) -> None:
            assert quick_is_through.wait(WAIT)

        cloaca.task(id="quick")(lambda context: None)

        @cloaca.task(dependencies=["quick"])
        def after_quick(context: cloaca.Context) -> None:
            quick_is_through.set()

    assert runner.execute("no_levels").error_message is None


def test_no_task_starts_before_its_dependencies_have_ended(runner: cloaca.DefaultRunner) -> None:
    needs = {
        "e": ["c", "d"], "a": [], "c": ["a"], "d": ["a", "b"], "b": [], "f": ["e", "b"], "g": ["f"],
    }  # fmt: skip
    ended: list[str] = []

    def body(name: str) -> Callable[[cloaca.Context], None]:
        def run(context: cloaca.Context) -> None:
            assert set(needs[name]) <= set(ended)
            ended.append(name)

        return run

    with cloaca.WorkflowBuilder("many_levels"):
        for name, dependencies in needs.items():
            cloaca.task(id=name, dependencies=dependencies, retry_attempts=1)(body(name))
    assert runner.execute("many_levels").error_message is None
    assert sorted(ended) == list("abcdefg")


def test_a_workflow_knows_its_shape() -> None:
    builder = cloaca.WorkflowBuilder("shape")
    with builder:
        cloaca.task(id="join", dependencies=["right", "left"])(lambda context: None)
        cloaca.task(id="left", dependencies=["top"])(lambda context: None)
        cloaca.task(id="right", dependencies=["top"])(lambda context: None)
        cloaca.task(id="top")(lambda context: None)
        cloaca.task(id="alone")(lambda context: None)
    workflow = builder.workflow
    assert workflow.get_roots() == full("shape", "top", "alone")
    assert workflow.get_leaves() == full("shape", "join", "alone")
    assert workflow.get_execution_levels() == [
        full("shape", "top", "alone"),
        full("shape", "left", "right"),
        full("shape", "join"),
    ]
    order = workflow.topological_sort()
    assert sorted(order) == sorted(full("shape", "join", "left", "right", "top", "alone"))
    assert order.index("public::embedded::shape::join") > order.index(
        "public::embedded::shape::right"
    )
    workflow.validate()
    assert "left" in workflow.to_mermaid()
    assert "left" in workflow.to_dot()


def test_a_long_chain_hands_on_from_end_to_end(runner: cloaca.DefaultRunner) -> None:
    def add_one(context: cloaca.Context) -> None:
        context["n"] = context["n"] + 1

    with cloaca.WorkflowBuilder("long"):
        for index in range(60):
            before = [f"step_{index - 1}"] if index else []
            cloaca.task(id=f"step_{index}", dependencies=before)(add_one)
    assert runner.execute("long", {"n": 0}).final_context["n"] == 60


def test_tasks_may_be_added_in_a_loop_with_one_function(runner: cloaca.DefaultRunner) -> None:
    def touch(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        context[handle.task_id] = True

    with cloaca.WorkflowBuilder("loop"):
        for name in ("x", "y"):
            cloaca.task(id=name)(touch)
        cloaca.task(id="z", dependencies=["x", "y"])(touch)
    assert runner.execute("loop").final_context.to_dict() == {"x": True, "y": True, "z": True}


def test_the_methods_of_two_objects_are_two_tasks(runner: cloaca.DefaultRunner) -> None:
    class Source:
        def __init__(self, name: str) -> None:
            self.name = name

        def read(self, context: cloaca.Context) -> None:
            context["read"] = self.name

        def hand_on(self, context: cloaca.Context) -> None:
            context[self.name] = context["read"]

    sources = [Source("first"), Source("other")]
    with cloaca.WorkflowBuilder("methods"):
        for each in sources:
            cloaca.task(id=f"read {each.name}")(each.read)
        for each in sources:
            cloaca.task(id=f"hand on {each.name}", dependencies=[each.read])(each.hand_on)
    final = runner.execute("methods").final_context
    assert (final["first"], final["other"]) == ("first", "other")
