"""The graph of a workflow; the graph of a run has the states of its tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from cloaca_core.definition.registry import ambiguous
from cloaca_core.errors import WorkflowNotFoundError
from cloaca_core.values.arguments import near_names
from cloaca_core.values.namespace import short_name
from cloaca_core.values.option_names import TaskStatus
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.views.explain.words import rule_text
from cloaca_tools.views.lists.search import named
from cloaca_tools.views.run.mermaid import Box, flowchart
from cloaca_tools.views.run.tree import kind_of, read_family, tree

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.definition.recorded import RecordedTask, RecordedWorkflow
    from cloaca_core.definition.task import Task
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.views.task_results import Progress
    from cloaca_tools.views.run.reading import Family
    from cloaca_tools.views.run.tree import RunTree, TaskNode


@dataclass(frozen=True, slots=True)
class GraphNode(Shown):
    """A task: ``status`` and ``attempts`` are those of a run, else None and 0. ``rule`` is the
    trigger rule as text, None for a task that has none. ``layer`` is 0 for a task without
    dependencies, else one more than the deepest of them. Of a task that ``is_map`` the
    ``progress`` counts its items. ``invokes`` is the name of its computation graph, if it has one.
    ``transactional`` says whether its body has a transaction.
    """

    FORM: ClassVar[str] = "task kind status attempts seconds rule layer"

    task: str
    kind: str
    status: TaskStatus | None
    attempts: int
    seconds: float | None
    rule: str | None
    layer: int
    is_map: bool = False
    progress: Progress | None = None
    invokes: str | None = None
    transactional: bool = False


@dataclass(frozen=True, slots=True)
class GraphEdge(Shown):
    """``target`` depends on ``source``."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Graph(Shown):
    """Nodes in definition order. ``run_id`` is None for the graph of a workflow alone, which has
    the JSON schema of its input, if it declares one.
    """

    FORM: ClassVar[str] = "workflow_name workflow version run_id nodes edges"

    workflow_name: str
    workflow: str
    version: str
    run_id: str | None
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    input_schema: Mapping[str, JsonValue] | None = None

    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        boxes = [Box(node.task, node.kind, node.status, node.invokes) for node in self.nodes]
        return flowchart(boxes, [(edge.source, edge.target) for edge in self.edges])


class Drawn(NamedTuple):
    """A run alone as a family, and the definition by which it is drawn, if any is known."""

    family: Family
    definition: Workflow | RecordedWorkflow | None


async def read_run(engine: Looks, run_id: str) -> Drawn:
    """A run and its definition, or else the newest one; runs on the engine's loop."""
    return await drawn_by(engine, await read_family(engine, run_id, 0))


async def drawn_by(engine: Looks, family: Family) -> Drawn:
    """The run at the top of a family, and the definition by which it is drawn."""
    view = family.views[family.top]
    newest = view.definition or await engine.definitions.newest(view.row.workflow)
    return Drawn(family, newest)


async def read_workflow(engine: Looks, name: str) -> Workflow | RecordedWorkflow:
    """The definition of a workflow: the program's own, else the newest recorded."""
    return await newest_of(engine, await one_workflow(engine, name))


async def one_workflow(engine: Looks, name: str) -> str:
    """The full name of the one workflow of a name."""
    known = await named(engine, name)
    if len(known) > 1:
        raise ambiguous(name, tuple(known))
    return known[0]


async def newest_of(engine: Looks, workflow: str) -> Workflow | RecordedWorkflow:
    """The definition of a workflow of this full name."""
    if (found := await engine.definitions.newest(workflow)) is None:
        message = f"Workflow not found: {workflow}; no runner has recorded it in this database"
        known = [short_name(each.workflow) for each in await engine.store.list_definitions()]
        near = near_names(short_name(workflow), dict.fromkeys(known))
        raise WorkflowNotFoundError(message, name=workflow, near=near)
    return found


def graph_of_workflow(workflow: Workflow | RecordedWorkflow) -> Graph:
    """The graph of a workflow alone."""
    graph = _graph(workflow.namespace, workflow.version, None, workflow.tasks, {})
    return replace(graph, input_schema=workflow.input_schema)


def graph_of_run(drawn: Drawn) -> Graph:
    """The graph of a run that was just read."""
    return graph_of_tree(tree(drawn.family), drawn.definition)


def graph_of_tree(shown: RunTree, definition: Workflow | RecordedWorkflow | None) -> Graph:
    """The graph of the run at the top. Tasks that its definition has not are left out; without a
    definition there are no edges.
    """
    run, states = shown.run, {node.task_id: node for node in shown.tasks}
    if definition is not None:
        return _graph(run.workflow, run.version, run.id, definition.tasks, states)
    nodes = tuple([_unknown(node) for node in shown.tasks])
    return Graph(run.workflow_name, run.workflow, run.version, run.id, nodes, ())


def _graph(
    workflow: str,
    version: str,
    run_id: str | None,
    tasks: Sequence[Task | RecordedTask],
    states: dict[str, TaskNode],
) -> Graph:
    layers = layers_of({task.id: task.dependencies for task in tasks})
    return Graph(
        workflow_name=short_name(workflow),
        workflow=workflow,
        version=version,
        run_id=run_id,
        nodes=tuple([_node(task, layers[task.id], states.get(task.id)) for task in tasks]),
        edges=tuple([GraphEdge(needed, task.id) for task in tasks for needed in task.dependencies]),
    )


def _node(task: Task | RecordedTask, layer: int, state: TaskNode | None) -> GraphNode:
    return GraphNode(
        task=task.id,
        kind=str(kind_of(task)),
        status=None if state is None else state.status,
        attempts=0 if state is None else state.attempts,
        seconds=None if state is None else state.seconds,
        rule=None if task.rule is None else rule_text(task.rule),
        layer=layer,
        is_map=task.map is not None,
        progress=None if state is None else state.progress,
        invokes=task.invokes,
        transactional=task.transactional,
    )


def _unknown(node: TaskNode) -> GraphNode:
    return GraphNode(node.task_id, "task", node.status, node.attempts, node.seconds, None, 0)


def layers_of(needed: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The layer of each task, by its dependencies; a task may be defined before them."""
    layers: dict[str, int] = {}
    left = list(needed)
    while left:
        waiting = []
        for name in left:
            if all(each in layers for each in needed[name]):
                layers[name] = 1 + max([layers[each] for each in needed[name]], default=-1)
            else:
                waiting.append(name)
        left = waiting
    return layers
