"""A workflow as the planner needs it: indices instead of names, computed once per workflow."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from cloaca_core.definition.limits.limit import LimitUse
    from cloaca_core.definition.task import Task
    from cloaca_core.values.definition_rows import WhenEndedRow
    from cloaca_core.values.option_names import MergeRuleName
    from cloaca_core.values.times.time_limits import TimeLimit


class Node(Protocol):
    """A task of a workflow, or the record of a task."""

    @property
    def id(self) -> str:
        """Its name in the workflow."""

    @property
    def dependencies(self) -> tuple[str, ...]:
        """The ids of the tasks that it depends on."""


NodeT_co = TypeVar("NodeT_co", bound=Node, covariant=True)


class Definition(Protocol[NodeT_co]):
    """A workflow with its code, or the record of a workflow."""

    @property
    def tasks(self) -> tuple[NodeT_co, ...]:
        """Its tasks, in definition order."""

    @property
    def merges(self) -> Mapping[str, MergeRuleName]:
        """The rules by which keys are merged."""


class NodeGraph(NamedTuple, Generic[NodeT_co]):
    """The tasks in definition order and, per task index, its neighbours.

    ``ancestors`` are bit masks; ``leaves`` are the tasks that no other depends on. ``time_limit``
    is the workflow's limit for its runs; with None, the runner's setting holds. ``when_ended``
    lists what starts when a run ends. With ``pauses``, a task that has used up its attempts pauses
    the run instead of failing. ``queue`` is the queue of tasks that name none, None for the usual
    one; ``has_queues`` says whether a task names one, ``has_child_nodes`` whether one is a node
    that starts a child run. ``limits`` are those of its runs, ``has_limits`` says whether there are
    any, or a task has some. ``merges`` are the rules by which keys are merged.
    """

    tasks: tuple[NodeT_co, ...]
    position: dict[str, int]
    dependencies: tuple[tuple[int, ...], ...]
    dependents: tuple[tuple[int, ...], ...]
    ancestors: tuple[int, ...]
    leaves: tuple[int, ...]
    time_limit: TimeLimit | None = None
    when_ended: tuple[WhenEndedRow, ...] = ()
    pauses: bool = False
    queue: str | None = None
    has_queues: bool = False
    has_child_nodes: bool = False
    limits: tuple[LimitUse, ...] = ()
    has_limits: bool = False
    merges: Mapping[str, MergeRuleName] = MappingProxyType({})


PlanGraph: TypeAlias = NodeGraph["Task"]
"""The graph of a workflow that can be executed here."""


def plan_graph(workflow: Definition[NodeT_co]) -> NodeGraph[NodeT_co]:
    """The graph of a validated workflow (it has no cycle and no missing dependency)."""
    tasks = workflow.tasks
    position_of = {task.id: position for position, task in enumerate(tasks)}
    dependencies = tuple(tuple(position_of[name] for name in task.dependencies) for task in tasks)
    dependents: list[list[int]] = [[] for _ in tasks]
    for position, needed in enumerate(dependencies):
        for dependency in needed:
            dependents[dependency].append(position)
    return NodeGraph(
        tasks=tasks,
        position=position_of,
        dependencies=dependencies,
        dependents=tuple(tuple(each) for each in dependents),
        ancestors=_ancestor_masks(dependencies, dependents),
        leaves=tuple(position for position, each in enumerate(dependents) if not each),
        merges=workflow.merges,
    )


def _ancestor_masks(
    dependencies: tuple[tuple[int, ...], ...], dependents: list[list[int]]
) -> tuple[int, ...]:
    masks = [0] * len(dependencies)
    missing = [len(needed) for needed in dependencies]
    ready = [position for position, count in enumerate(missing) if not count]
    while ready:
        position = ready.pop()
        for dependent in dependents[position]:
            masks[dependent] |= masks[position] | 1 << position
            missing[dependent] -= 1
            if not missing[dependent]:
                ready.append(dependent)
    return tuple(masks)
