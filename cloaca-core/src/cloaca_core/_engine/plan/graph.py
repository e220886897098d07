"""A workflow as the planner needs it: indices instead of names, computed once per workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cloaca_core.definition.task import Task
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.values.time_limits import TimeLimit


class PlanGraph(NamedTuple):
    """The tasks in definition order and, per task index, its neighbours.

    ``ancestors`` are bit masks; ``leaves`` are the tasks that no other depends on. ``time_limit``
    is that of the workflow's runs, None where the runner decides.
    """

    tasks: tuple[Task, ...]
    position: dict[str, int]
    dependencies: tuple[tuple[int, ...], ...]
    dependents: tuple[tuple[int, ...], ...]
    ancestors: tuple[int, ...]
    leaves: tuple[int, ...]
    time_limit: TimeLimit | None = None


def plan_graph(workflow: Workflow) -> PlanGraph:
    """The graph of a validated workflow (it has no cycle and no missing dependency)."""
    tasks = workflow.tasks
    position_of = {task.id: position for position, task in enumerate(tasks)}
    dependencies = tuple(tuple(position_of[name] for name in task.dependencies) for task in tasks)
    dependents: list[list[int]] = [[] for _ in tasks]
    for position, needed in enumerate(dependencies):
        for dependency in needed:
            dependents[dependency].append(position)
    return PlanGraph(
        tasks=tasks,
        position=position_of,
        dependencies=dependencies,
        dependents=tuple(tuple(each) for each in dependents),
        ancestors=_ancestor_masks(dependencies, dependents),
        leaves=tuple(position for position, each in enumerate(dependents) if not each),
        time_limit=workflow.time_limit,
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
