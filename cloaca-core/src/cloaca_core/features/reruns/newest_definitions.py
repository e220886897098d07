"""Finds the definition by which an ended run is planned anew; refuses tasks that it does not have.

That is the version registered in this process, else the newest that was recorded.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.definition.queues import QueuedTask, planned_queue
from cloaca_core.errors import TaskNotFoundError, WorkflowNotFoundError
from cloaca_core.run.graph import NodeGraph, plan_graph

if TYPE_CHECKING:
    from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
    from cloaca_core.run.rerun import Rerun
    from cloaca_core.values.queue_names import PlannedQueue


class Definition(NamedTuple):
    """A version of a workflow, and its tasks."""

    version: str
    graph: NodeGraph[QueuedTask]

    def queue_after(self, rerun: Rerun) -> PlannedQueue | None:
        """The queue of a run of which these tasks run again; None if no task names one."""
        if not self.graph.has_queues:
            return None
        return planned_queue(self.graph, [choice.task for choice in rerun.keep])

    def check_tasks(self, run_id: str, tasks: Collection[str]) -> None:
        """Raise TaskNotFoundError unless the workflow of this run has all these tasks."""
        if unknown := sorted(set(tasks) - self.graph.position.keys()):
            raise TaskNotFoundError(
                f"the workflow of run {run_id} has no task {', '.join(map(repr, unknown))}; "
                f"it has {', '.join(self.graph.position)}",
                task_id=unknown[0],
            )


class NewestDefinitions:
    """Belongs to the engine's loop."""

    def __init__(self, recorded: RecordedDefinitions) -> None:
        self._recorded = recorded

    async def find(self, workflow: str) -> Definition | None:
        """The definition of this workflow; None if neither this process nor the database has it.
        Only reads.
        """
        found = await self._recorded.newest(workflow)
        if found is None:
            return None
        graph: NodeGraph[QueuedTask] = plan_graph(found)
        has_queues = bool(found.queues)
        return Definition(found.version, graph._replace(queue=found.queue, has_queues=has_queues))

    async def keep(self, workflows: Collection[str]) -> None:
        """Record the definitions of these workflows by which runs are about to be begun."""
        for workflow in dict.fromkeys(workflows):
            await self._recorded.keep(workflow)


def unknown_workflow(run_id: str, workflow: str, planned: str) -> WorkflowNotFoundError:
    """The error for a run whose workflow has no definition: it cannot be ``planned``."""
    return WorkflowNotFoundError(
        f"run {run_id} cannot be {planned}: its workflow {workflow} is not registered here, and no "
        "runner has recorded it in this database",
        name=workflow,
    )
