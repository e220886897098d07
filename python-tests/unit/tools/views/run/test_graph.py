"""A graph has nodes in layers, with the states of a run if it is one's."""

from __future__ import annotations

from model.families import attempt, family, run, view

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.definition.written_rules import always
from cloaca_tools.views.run.graph import Drawn, graph_of_run, graph_of_workflow


def flow() -> Workflow:
    """A diamond with a node that waits."""
    builder = WorkflowBuilder("flow", registry=Registry())
    with builder:

        @task(id="a")
        def a(context: Context) -> None: ...

        @task(id="b", dependencies=["a"])
        def b(context: Context) -> None: ...

        @task(id="c", dependencies=["a", "b"], trigger_rules=always())
        def c(context: Context) -> None: ...

    assert builder.workflow is not None
    return builder.workflow


def test_a_workflow_alone_has_no_states() -> None:
    graph = graph_of_workflow(flow())

    assert [(node.task, node.layer, node.rule) for node in graph.nodes] == [
        ("a", 0, None),
        ("b", 1, None),
        ("c", 2, "always()"),
    ]
    assert [(edge.source, edge.target) for edge in graph.edges] == [
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    ]
    assert {(node.status, node.attempts) for node in graph.nodes} == {(None, 0)}
    assert (graph.run_id, graph.workflow_name) == (None, "flow")


def test_a_run_has_states_by_its_definition() -> None:
    known = family(view(run(status="Running"), attempt("a", 2, 1, 3), attempt("gone")))

    graph = graph_of_run(Drawn(known, flow()))

    assert [(node.task, node.status, node.attempts) for node in graph.nodes] == [
        ("a", "Completed", 2),
        ("b", None, 0),
        ("c", None, 0),
    ]
    assert graph.run_id == "r"


def test_without_a_definition_there_are_nodes_alone() -> None:
    graph = graph_of_run(Drawn(family(view(run(), attempt("a"))), None))

    assert [(node.task, node.status) for node in graph.nodes] == [("a", "Completed")]
    assert graph.edges == ()
    assert graph.mermaid().count("-->") == 0
