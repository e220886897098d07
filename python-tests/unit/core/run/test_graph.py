"""A workflow as the planner sees it; nothing holds on to workflows that were defined anew."""

from __future__ import annotations

import gc
import weakref

from cloaca_core.client.default_runner import DefaultRunner
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.recorded import RecordedWorkflow, content
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.run.graph import plan_graph
from cloaca_core.values.definition_rows import DefinitionRow


def define(registry: Registry) -> Workflow:
    """A diamond whose last task names its dependencies in the other order, and one task apart."""
    builder = WorkflowBuilder("w", registry=registry)
    with builder:
        for name, needed in [("a", []), ("b", ["a"]), ("c", ["a"]), ("d", ["c", "b"]), ("e", [])]:
            declare(name, needed)
    assert builder.workflow is not None
    return builder.workflow


def declare(name: str, needed: list[str]) -> None:
    @task(id=name, dependencies=needed)
    def body(context: Context) -> None:
        pass


def test_tasks_are_numbered_in_definition_order() -> None:
    graph = plan_graph(define(Registry()))

    assert graph.position == {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4}
    assert [each.id for each in graph.tasks] == ["a", "b", "c", "d", "e"]


def test_dependencies_keep_their_declared_order() -> None:
    graph = plan_graph(define(Registry()))

    assert graph.dependencies == ((), (0,), (0,), (2, 1), ())
    assert graph.dependents == ((1, 2), (3,), (3,), (), ())
    assert graph.leaves == (3, 4)


def test_ancestors_are_those_at_any_distance() -> None:
    assert plan_graph(define(Registry())).ancestors == (0b00000, 0b00001, 0b00001, 0b00111, 0b00000)


def test_the_record_of_a_workflow_has_the_same_graph() -> None:
    workflow = define(Registry())
    row = DefinitionRow(workflow.namespace, workflow.version, workflow.name, content(workflow), 0)

    recorded, known = plan_graph(RecordedWorkflow.read(row)), plan_graph(workflow)

    assert [each.id for each in recorded.tasks] == [each.id for each in known.tasks]
    assert recorded[1:] == known[1:]


def test_a_workflow_that_was_defined_anew_is_let_go_of_after_its_runs() -> None:
    registry = Registry()
    with DefaultRunner(":memory:", registry=registry) as runner:
        old = weakref.ref(define(registry))
        assert runner.execute("w").status == "Completed"

        define(registry)
        assert runner.execute("w").status == "Completed"
        gc.collect()

        assert old() is None
