"""Decides in which queue a run begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from cloaca_core.values.queue_names import DEFAULT_QUEUE, PlannedQueue, most_asked

if TYPE_CHECKING:
    from cloaca_core.definition.waits.kinds import NodeWait


_NO_NAME: Final = "="
"""Stands for the usual queue of a run that is not known. No queue has this name."""


class QueuedTask(Protocol):
    """A task, or the record of one."""

    @property
    def id(self) -> str:
        """Its name in the workflow."""

    @property
    def dependencies(self) -> tuple[str, ...]:
        """The ids of the tasks that it depends on."""

    @property
    def wait(self) -> NodeWait | None:
        """None for a task with a body."""

    @property
    def queue(self) -> str | None:
        """The queue that it asks for, None if it is that of its run."""


class QueuedWorkflow(Protocol):
    """A workflow with its code, or the record of one."""

    @property
    def tasks(self) -> Sequence[QueuedTask]:
        """In definition order."""

    @property
    def queue(self) -> str | None:
        """The queue of tasks that name none, None for the usual one."""


def queues_of(workflow: QueuedWorkflow, asked: str | None) -> Sequence[str]:
    """The queue of each task of a run that was submitted to a queue (``asked``), or to none. A node
    asks for the usual queue of the run only if a body does: otherwise for the queue of most bodies,
    since no runner of the usual one may be there.
    """
    usual = asked or workflow.queue or DEFAULT_QUEUE
    bodies = [task.queue or usual for task in workflow.tasks if task.wait is None]
    of_nodes = usual if usual in bodies or not bodies else most_asked(bodies)
    return [of_nodes if task.wait is not None else task.queue or usual for task in workflow.tasks]


def shown_queues(workflow: QueuedWorkflow, asked: str | None) -> Mapping[str, str]:
    """The queues of tasks with a body, by their ids, if any is not the usual one."""
    placed = zip(workflow.tasks, queues_of(workflow, asked), strict=True)
    found = {task.id: queue for task, queue in placed if task.wait is None}
    return found if set(found.values()) - {DEFAULT_QUEUE} else {}


def first_queue(
    workflow: QueuedWorkflow, asked: str | None, kept: frozenset[str] = frozenset()
) -> str:
    """The queue that most of the first tasks ask for: the tasks that only depend on ``kept`` ones,
    whose results a run begins with. Nodes, which need no runner of their own, count where no first
    task has a body.
    """
    placed = zip(workflow.tasks, queues_of(workflow, asked), strict=True)
    first = [
        (task, queue)
        for task, queue in placed
        if task.id not in kept and kept.issuperset(task.dependencies)
    ]
    with_bodies = [queue for task, queue in first if task.wait is None]
    usual = asked or workflow.queue or DEFAULT_QUEUE
    return most_asked(with_bodies or [queue for _, queue in first] or [usual])


def planned_queue(workflow: QueuedWorkflow, kept: Iterable[str]) -> PlannedQueue:
    """Where a run belongs that begins with the results of these tasks."""
    usual = workflow.queue or DEFAULT_QUEUE
    found = first_queue(workflow, _NO_NAME, frozenset(kept))
    return PlannedQueue(None if found == _NO_NAME else found, usual)


def asked_queues(workflow: QueuedWorkflow) -> set[str]:
    """The queues that its runs ask for where no submission names one, and the children that its
    nodes begin.
    """
    from cloaca_core.definition.waits.kinds import Child  # few programs have nodes

    waits = [task.wait for task in workflow.tasks]
    children = [wait.queue for wait in waits if isinstance(wait, Child)]
    return {*queues_of(workflow, None), *[name for name in children if name is not None]}


def named_queues(workflow: QueuedWorkflow) -> tuple[str, ...]:
    """The queues that a workflow names, but for the usual one."""
    names = {workflow.queue, *[task.queue for task in workflow.tasks]}
    return tuple(sorted(name for name in names if name is not None and name != DEFAULT_QUEUE))
