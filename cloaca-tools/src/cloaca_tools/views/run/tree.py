"""A run with its tasks, and the runs that their bodies have submitted, nested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, Final

from cloaca_core.definition.queues import shown_queues
from cloaca_core.definition.recorded import TASK
from cloaca_core.definition.waits.kinds import Loop
from cloaca_core.run.counting import latest_of
from cloaca_core.values.child_kinds import Place, at_places, place_of
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.views.results import run_info
from cloaca_core.views.task_results import TaskResult, seconds_between, task_results
from cloaca_tools.views.lists.listing import RunLine
from cloaca_tools.views.run.reading import Family, RunView, read_family

if TYPE_CHECKING:
    from cloaca_core.definition.recorded import RecordedTask
    from cloaca_core.definition.task import Task
    from cloaca_core.features.steering.records import ChildRow
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.times.instants import Instant

__all__ = [
    "RunTree",
    "TaskNode",
    "is_over",
    "kind_of",
    "placed_children",
    "read_family",
    "told",
    "tree",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskNode(TaskResult, Shown):
    """A task of a run, in the tree. ``kind`` is ``task``, or ``sleep``, ``event``, ``approval``,
    ``child`` or ``loop`` for a node that waits, None where the definition is not known. ``seconds``
    are those of its latest attempt, and so is ``progress``. ``children`` are the runs that its
    bodies have submitted, detached ones aside. ``queue`` is the queue of its body, None where it is
    not known, and where all tasks of the run ask for the usual one. The ``traceback`` is not read.
    A task with an item for each of its data ``is_map``.
    """

    FORM: ClassVar[str] = (
        "task_id kind status depends_on attempts started_at ended_at seconds error error_type "
        "skip_reason retry_at waits_for children progress skip_code queue"
    )

    kind: str | None
    depends_on: tuple[str, ...]
    seconds: float | None
    children: tuple[RunTree, ...] = ()
    is_map: bool = False
    queue: str | None = None


_OF_RESULT: Final = attrgetter(*[each.name for each in fields(TaskResult)])


@dataclass(frozen=True, slots=True)
class RunTree(Shown):
    """A run, its tasks in definition order, and its children: under the task that has submitted
    them, or in ``children`` where that is not known. ``hidden`` counts children that are not
    shown, of the first 1,000. ``iteration`` is the number of a run of a loop, from 1; ``index`` the
    place of its item in a map of child runs, from 0. ``earlier`` are the runs that its node, item
    or iteration began before, oldest first, if it was begun anew with another run.
    """

    run: RunLine
    tasks: tuple[TaskNode, ...]
    children: tuple[RunTree, ...] = ()
    hidden: int = 0
    iteration: int | None = None
    index: int | None = None
    earlier: tuple[RunTree, ...] = ()


def tree(family: Family) -> RunTree:
    """The tree of a family, from its top."""
    return _tree(family, family.top)


def told(family: Family) -> object:
    """All but the time at which it was read."""
    return family._replace(now=0)


def is_over(family: Family) -> bool:
    """Whether the run at the top has ended."""
    return family.views[family.top].row.ended_at is not None


def _tree(
    family: Family, run_id: str, iteration: int | None = None, index: int | None = None
) -> RunTree:
    view = family.views[run_id]
    shown, hidden = placed_children(family, run_id)
    attempts = view.counted_attempts
    results = task_results(
        attempts,
        list(view.tasks),
        run=view.row,
        children=family.unended(run_id),
        waits=view.waits,
        progress=view.progress,
    )
    latest = latest_of(attempts)
    by_task = _by_task(run_id, shown, results)
    known = view.definition
    queues = {} if known is None else shown_queues(known, view.row.asked_queue)
    nodes = [
        _node(
            result,
            view.tasks.get(task_id),
            latest.get(task_id),
            by_task.get(task_id, ()),
            family,
            queues.get(task_id),
        )
        for task_id, result in results.items()
    ]
    apart = tuple([_tree(family, child.id) for child in by_task.get("", ())])
    return RunTree(run_info(view.row, family.now), tuple(nodes), apart, hidden, iteration, index)


def placed_children(family: Family, run_id: str) -> tuple[list[ChildRow], int]:
    """The children of a run that were read, and how many others it has."""
    children = family.children.get(run_id, ())
    shown = [child for child in children if child.id in family.views]
    return shown, len(children) - len(shown)


def _by_task(
    run_id: str, children: Sequence[ChildRow], tasks: Mapping[str, TaskResult]
) -> dict[str, list[ChildRow]]:
    """Children by the task whose body submitted them, as their keys say; "" where they do not."""
    found: dict[str, list[ChildRow]] = {}
    for child in children:
        found.setdefault(_task_of(run_id, child, tasks), []).append(child)
    return found


def _task_of(run_id: str, child: ChildRow, tasks: Mapping[str, TaskResult]) -> str:
    own, key = f"{run_id}{SEPARATOR}", child.idempotency_key or ""
    task = key.removeprefix(own).partition(SEPARATOR)[0]
    return task if key.startswith(own) and task in tasks else ""


def kind_of(task: Task | RecordedTask | None) -> str | None:
    """The kind of a node: ``task``, or the kind of its wait; None where it is not known."""
    if task is None:
        return None
    return TASK if task.wait is None else task.wait.kind


def _node(
    result: TaskResult,
    task: Task | RecordedTask | None,
    latest: AttemptRow | None,
    children: Sequence[ChildRow],
    family: Family,
    queue: str | None,
) -> TaskNode:
    return TaskNode(
        *_OF_RESULT(result),
        kind=kind_of(task),
        depends_on=() if task is None else task.dependencies,
        seconds=_seconds(latest, family.views, family.now),
        children=tuple(
            [_child(family, child, before, task) for child, before in at_places(children, _place)]
        ),
        is_map=task is not None and task.map is not None,
        queue=queue,
    )


def _child(
    family: Family,
    child: ChildRow,
    before: Sequence[ChildRow],
    task: Task | RecordedTask | None,
) -> RunTree:
    """A child, with the number of its iteration and the index of its item."""
    place = _place(child)
    if place is None:
        return _tree(family, child.id)
    number = place.number(in_loop=kind_of(task) == Loop.kind)
    found = _tree(family, child.id, number, place.item)
    return replace(found, earlier=tuple([_child(family, each, (), task) for each in before]))


def _place(child: ChildRow) -> Place | None:
    return place_of(child.parent_id, child.idempotency_key)


def _seconds(latest: AttemptRow | None, views: Mapping[str, RunView], now: Instant) -> float | None:
    """How long the latest attempt has taken; it ends with its run at the latest."""
    if latest is None:
        return None
    end = latest.ended_at
    if end is None:
        end = views[latest.run_id].row.ended_at
    return seconds_between(latest.started_at, end, now)
