"""Decides which tasks of a run run again, and which results a retry or fork of it keeps.

Pure. A task that runs again gets attempts with higher numbers; its earlier attempts are history.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from cloaca_core.run.graph import Node, NodeGraph
from cloaca_core.run.planner import Completed, Failed, Known, Skipped
from cloaca_core.run.restore import Restored, restore
from cloaca_core.run.rows import AttemptRow, RestartRow
from cloaca_core.values.states import ReasonCode


class Choice(NamedTuple):
    """A task, and the reason for the decision about it."""

    task: str
    reason: str


class Rerun(NamedTuple):
    """The tasks whose results are kept, and the tasks that run again, in definition order.

    ``drop`` are tasks that have attempts but are not in the definition: they stay history.
    ``first_attempts`` has, for each task of ``run`` that has attempts, the number of the next
    attempt. ``below`` are the tasks of ``run`` that depend on others of it: their input may change.
    """

    keep: tuple[Choice, ...]
    run: tuple[Choice, ...]
    drop: tuple[Choice, ...]
    first_attempts: dict[str, int]
    below: frozenset[str] = frozenset()


def rerun(
    graph: NodeGraph[Node],
    rows: Collection[AttemptRow],
    restarts: Collection[RestartRow],
    chosen: Collection[str] | None = None,
    maps: Collection[str] = (),
) -> Rerun:
    """Plan a retry. It runs the tasks that have not ended; of the others the ``chosen`` ones or,
    with None, those that did not succeed; the ``maps`` of which items were chosen; and all tasks
    that depend on them, also tasks that ran because of the failure.
    """
    past = restore(graph, rows, restarts)
    own: dict[int, str] = {}
    for index, task in enumerate(graph.tasks):
        known = past.known.get(index)
        if known is None:
            own[index] = _unended(past, index)
        elif task.id in maps or (chosen is not None and task.id in chosen):
            own[index] = "chosen"
        elif chosen is None and (reason := _failure(known)) is not None:
            own[index] = reason
    return _rerun(graph, rows, past, own)


def fork(
    graph: NodeGraph[Node],
    rows: Collection[AttemptRow],
    restarts: Collection[RestartRow],
    from_task: str,
) -> Rerun:
    """Plan a fork. It runs ``from_task``, the tasks without a result, and all tasks that depend on
    them.
    """
    past = restore(graph, rows, restarts)
    own: dict[int, str] = {}
    for index, task in enumerate(graph.tasks):
        known = past.known.get(index)
        if task.id == from_task:
            own[index] = "chosen"
        elif known is None:
            own[index] = _unended(past, index)
        elif not isinstance(known, Completed):
            own[index] = "failed" if isinstance(known, Failed) else "skipped"
    return _rerun(graph, rows, past, own)


def memos_kept(graph: NodeGraph[Node], chosen: Rerun, from_task: str) -> list[str]:
    """The tasks of a fork that find the memos of their source: tasks that the fork runs, but
    neither ``from_task`` nor a task below it.
    """
    mask = 1 << graph.position[from_task]
    apart = [each.task for each in chosen.run if each.task != from_task]
    return [task for task in apart if not graph.ancestors[graph.position[task]] & mask]


def _rerun(
    graph: NodeGraph[Node], rows: Collection[AttemptRow], past: Restored, own: Mapping[int, str]
) -> Rerun:
    """Plan that the tasks of ``own`` run again, each for its own reason, and all tasks that depend
    on them.
    """
    mask = sum(1 << index for index in own)
    again = [i for i in range(len(graph.tasks)) if i in own or graph.ancestors[i] & mask]
    reasons = {index: own.get(index) or _below(graph, index, again) for index in again}
    last: dict[str, int] = {}
    for row in rows:
        last[row.task_id] = max(last.get(row.task_id, 0), row.attempt)
    return Rerun(
        keep=tuple(
            Choice(task.id, _kept(past.known[index]))
            for index, task in enumerate(graph.tasks)
            if index not in reasons
        ),
        run=tuple(Choice(graph.tasks[index].id, reason) for index, reason in reasons.items()),
        drop=tuple(
            Choice(task_id, "the definition has no such task")
            for task_id in sorted(last.keys() - graph.position.keys())
        ),
        first_attempts={
            graph.tasks[index].id: last[graph.tasks[index].id] + 1
            for index in reasons
            if graph.tasks[index].id in last
        },
        below=frozenset([graph.tasks[i].id for i in again if graph.ancestors[i] & mask]),
    )


def _below(graph: NodeGraph[Node], index: int, again: Collection[int]) -> str:
    above = next(i for i in graph.dependencies[index] if i in again)
    return f"depends on {graph.tasks[above].id}"


def _unended(past: Restored, index: int) -> str:
    if index in past.exhausted:
        return "failed"
    return "did not end" if index in past.latest else "never started"


def _failure(known: Known) -> str | None:
    """The reason why a task that ended runs again without being chosen. None if it succeeded, and
    if a rule or a rejection has skipped it: it would be skipped again.
    """
    match known:
        case Completed():
            return None
        case Skipped(reason):
            return "skipped" if reason.code == ReasonCode.UPSTREAM_FAILED else None
        case _:
            return "failed"


def _kept(known: Known) -> str:
    match known:
        case Completed():
            return "succeeded"
        case Skipped(reason):
            is_rejected = reason.code == ReasonCode.REJECTED
            return f"skipped, {reason.text}" if is_rejected else "skipped by its rule"
        case _:
            return "failed, and was not chosen"
