"""Decides which tasks of an ended run run again: those that did not succeed, and all below them.

Pure. A task that runs again has attempts after those that it had; what those came to is history.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from cloaca_core._engine.plan.graph import Node, NodeGraph
from cloaca_core._engine.plan.planner import Completed, Known, Skipped
from cloaca_core._engine.plan.restore import Restored, restore
from cloaca_core.records.runs import AttemptRow
from cloaca_core.records.states import ReasonCode
from cloaca_core.records.steering import RestartRow


class Choice(NamedTuple):
    """What becomes of one task, and why."""

    task: str
    reason: str


class Rerun(NamedTuple):
    """The tasks whose records count on, and those that run again, in definition order.

    ``drop`` are tasks that the run has attempts of and its definition lacks: they stay history.
    ``first_attempts`` has, for each task of ``run`` that has attempts, the number of the next.
    """

    keep: tuple[Choice, ...]
    run: tuple[Choice, ...]
    drop: tuple[Choice, ...]
    first_attempts: dict[str, int]


def rerun(
    graph: NodeGraph[Node],
    rows: Collection[AttemptRow],
    restarts: Iterable[RestartRow],
    chosen: Collection[str] | None = None,
) -> Rerun:
    """The tasks that a retry runs again: ``chosen`` ones, or (None) those that did not succeed, and
    all that depend on them, also those that ran because of the failure.
    """
    past = restore(graph, rows, restarts)
    reasons = _reasons(graph, past, chosen)
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
    )


def _reasons(
    graph: NodeGraph[Node], past: Restored, chosen: Collection[str] | None
) -> dict[int, str]:
    """Why each task that runs again does so, in definition order."""
    own: dict[int, str] = {}
    for index, task in enumerate(graph.tasks):
        reason = _own_reason(past, index) if chosen is None else _chosen(task.id, chosen)
        if reason is not None:
            own[index] = reason
    mask = sum(1 << index for index in own)
    again = {i for i in range(len(graph.tasks)) if i in own or graph.ancestors[i] & mask}
    return {index: own.get(index) or _below(graph, index, again) for index in sorted(again)}


def _below(graph: NodeGraph[Node], index: int, again: Collection[int]) -> str:
    above = next(i for i in graph.dependencies[index] if i in again)
    return f"depends on {graph.tasks[above].id}"


def _chosen(task_id: str, chosen: Collection[str]) -> str | None:
    return "chosen" if task_id in chosen else None


def _own_reason(past: Restored, index: int) -> str | None:
    """Why the task itself runs again; None for one that succeeded, or that a rule skipped."""
    match past.known.get(index):
        case None:
            return "did not end" if index in past.latest else "never started"
        case Completed():
            return None
        case Skipped(reason):
            return "skipped" if reason.code == ReasonCode.UPSTREAM_FAILED else None
        case _:
            return "failed"


def _kept(known: Known) -> str:
    return "skipped by its rule" if isinstance(known, Skipped) else "succeeded"
