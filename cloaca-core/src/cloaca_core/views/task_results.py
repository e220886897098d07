"""States of tasks, their waits and progress, as users see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.counting import latest_of
from cloaca_core.run.reasons import skip_code
from cloaca_core.values import states
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.option_names import TaskStatus, WaitKind
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none
from cloaca_core.values.waits import APPROVAL, EVENT, RUN, SLEEP, run_of_end

if TYPE_CHECKING:
    from cloaca_core.features.explain.records import UnendedChild
    from cloaca_core.features.task_logs.records import ProgressRow
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.values.times.instants import Instant


@dataclass(frozen=True, slots=True)
class Wait:
    """The end for which a task or a run waits: ``kind`` is ``retry`` (of its next attempt),
    ``sleep`` (an instant), ``event`` (a message), ``approval`` (a person decides), ``run`` (the end
    of another run) or ``limit`` (a place that the setting or the limit ``name`` bounds).

    ``name`` is the event, the task of a retry, a sleep or an approval, or the id of the other run,
    None where that is not known. ``until`` is when the wait is over at the latest, None where that
    is open; ``since`` is when a sleep, or a wait for an event or a person, began. Both are RFC
    3339 in UTC. What an ``answered`` wait was for has come: the event, or the decision; a runner is
    to record that.
    """

    kind: WaitKind
    name: str | None = None
    until: str | None = None
    since: str | None = None
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task has come, as its body has told last: ``done`` of ``total``, which may be open,
    and a text. ``at`` is when it was told, RFC 3339 in UTC.
    """

    done: float
    total: float | None
    text: str | None
    at: str

    def __str__(self) -> str:
        total = "" if self.total is None else f" of {self.total:,.10g}"
        return f"{self.done:,.10g}{total}{'' if self.text is None else f': {self.text}'}"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How one task of a run ended, or its state until then.

    ``attempts`` counts the bodies that were started, in all rounds, also of a task that is skipped
    in the last one; ``error`` is ``Type: message`` of the last one; times are RFC 3339 in UTC. A
    Waiting task waits for its next attempt, at ``retry_at``, or, as a node or in its body, for an
    instant, an event, a person or another run: ``waits_for`` says for which, and of several waits
    of one body the oldest. ``progress`` is what the body of its latest attempt has told last by
    ``handle.progress``, of a map how many of its items have ended; only ``run.tasks()`` shows it.
    ``skip_code`` says why a task was skipped: ``trigger_rule``, ``upstream_failed`` or
    ``rejected``; None if it was not. When a run is cancelled, so are its tasks that have not ended:
    those that run, wait, or have not started.
    """

    task_id: str
    status: TaskStatus
    attempts: int = 0
    started_at: str | None = None
    ended_at: str | None = None
    error: str | None = None
    error_type: str | None = None
    traceback: str | None = None
    skip_reason: str | None = None
    retry_at: str | None = None
    waits_for: Wait | None = None
    progress: Progress | None = None
    skip_code: str | None = None

    @property
    def may_have_had_effects(self) -> bool:
        """Whether it was cut off in its body, or after an attempt that failed."""
        return self.status == "Cancelled" and self.started_at is not None


def task_status_name(row: AttemptRow) -> TaskStatus:
    """The state of an attempt as users see it."""
    return cast("TaskStatus", str(row.status))


def seconds_between(start: Instant | None, end: Instant | None, now: Instant) -> float | None:
    """From start to end, or until now; None before the start. Never below 0: clocks may differ."""
    if start is None:
        return None
    return max(0, (now if end is None else end) - start) / SECOND


def task_results(
    attempts: Sequence[AttemptRow],
    task_ids: Sequence[str] = (),
    *,
    run: RunRow | None = None,
    children: Sequence[UnendedChild] = (),
    waits: Sequence[WaitRow] = (),
    progress: Iterable[ProgressRow] = (),
) -> dict[str, TaskResult]:
    """The state of each task, by its latest attempt.

    The tasks of ``task_ids`` come first and in that order; those without an attempt are
    NotStarted. Once the run has ended nothing runs or waits any more: what a cancelled run leaves
    is Cancelled. ``children`` are the runs for which bodies may wait, ``waits`` the open waits.
    ``progress`` is that of attempts that told it.
    """
    was_cancelled = run is not None and run.status == states.RunStatus.CANCELLED
    cancelled = run if was_cancelled else None
    told = latest_progress(progress)
    results = {task_id: _without_attempt(task_id, cancelled) for task_id in task_ids}
    for task_id, row in latest_of(attempts).items():
        left = row if run is None else left_by(row, run)
        results[task_id] = _task_result(left, children, waits, told.get((task_id, row.attempt)))
    return results


def item_result(
    name: str, row: AttemptRow, status: TaskStatus, run: RunRow, waits: Iterable[WaitRow]
) -> TaskResult:
    """The state of the item of a map that has this name, by its latest attempt."""
    own = [each for each in waits if each.item == row.item]
    return replace(_task_result(left_by(row, run), (), own, None), task_id=name, status=status)


def progress_of(row: ProgressRow) -> Progress:
    """The progress in a row."""
    return Progress(row.done, row.total, row.detail, rfc3339(row.told_at))


def ended_items(row: ProgressRow) -> str:
    """How many items of a map have ended, and how many of them failed, by its progress."""
    failed = "" if row.detail is None else f", {row.detail}"
    return f"{row.done:,.10g} of {row.total or 0:,.10g} items{failed}"


def latest_progress(rows: Iterable[ProgressRow]) -> dict[tuple[str, int], Progress]:
    """The latest progress of each attempt that reported any, by task and attempt."""
    return {(row.task_id, row.attempt): progress_of(row) for row in rows}


def _without_attempt(task_id: str, cancelled: RunRow | None) -> TaskResult:
    if cancelled is None:
        return TaskResult(task_id, "NotStarted")
    ended_at, reason = rfc3339_or_none(cancelled.ended_at), cancelled.error_message
    return TaskResult(task_id, "Cancelled", ended_at=ended_at, skip_reason=reason)


def left_by(row: AttemptRow, run: RunRow) -> AttemptRow:
    """The attempt as it is after the end of its run. A cancel cuts off an attempt that ran, and a
    retry that was due.
    """
    if run.status == states.RunStatus.CANCELLED and (
        row.ended_at is None or row.retry_at is not None
    ):
        return row._replace(
            status=states.TaskStatus.CANCELLED,
            skip_reason=run.error_message,
            ended_at=run.ended_at,
            retry_at=None,
        )
    return settled(row, run.ended_at)


def settled(row: AttemptRow, run_ended_at: int | None) -> AttemptRow:
    """The attempt as it is after the end of its run. The row itself may still be as a dead process
    wrote it: a run that is past its deadline when it is taken over ends at once.
    """
    if run_ended_at is None:
        return row
    if row.ended_at is None:
        return row._replace(status=states.TaskStatus.CANCELLED, ended_at=run_ended_at)
    return row if row.retry_at is None else row._replace(retry_at=None)


def children_of_task(
    run_id: str, task_id: str, children: Iterable[UnendedChild]
) -> list[UnendedChild]:
    """The children of a run that bodies of this task have submitted. If no key names the task: the
    children with keys of the user's own, which may belong to any task.
    """
    own = f"{run_id}{SEPARATOR}"
    known = [child for child in children if _key(child).startswith(f"{own}{task_id}{SEPARATOR}")]
    return known or [child for child in children if not _key(child).startswith(own)]


def _key(child: UnendedChild) -> str:
    return child.idempotency_key or ""


def waits_of_attempt(row: AttemptRow, waits: Iterable[WaitRow]) -> list[WaitRow]:
    """The open waits of an attempt, the oldest first."""
    own = [each for each in waits if (each.task_id, each.attempt) == (row.task_id, row.attempt)]
    return sorted(own, key=lambda each: each.opened_at)


WAITS: Final = (APPROVAL, EVENT, SLEEP, RUN)
"""Kinds of waits of nodes and bodies: first the kinds that people can end."""


def main_wait(waits: Iterable[WaitRow]) -> WaitRow | None:
    """The wait of a run that is shown first: the oldest wait that a person can still end."""
    known = [each for each in waits if each.kind in WAITS]
    order = [(each.answered, WAITS.index(each.kind), each.opened_at) for each in known]
    return known[order.index(min(order))] if known else None


def shown_wait(wait: WaitRow) -> Wait:
    """A wait for an instant, an event, a person or a child run as users see it."""
    name = wait.task_id if wait.kind == SLEEP else wait.name
    if wait.kind == RUN:
        name = run_of_end(name)
    kind = cast("WaitKind", wait.kind)
    until, since = rfc3339_or_none(wait.due_at), rfc3339(wait.opened_at)
    return Wait(kind, name, until, since, bool(wait.answered))


def _task_result(
    row: AttemptRow,
    children: Sequence[UnendedChild],
    open_waits: Sequence[WaitRow],
    progress: Progress | None,
) -> TaskResult:
    waits = row.status == states.TaskStatus.FAILED and row.retry_at is not None
    return TaskResult(
        task_id=row.task_id,
        status="Waiting" if waits else task_status_name(row),
        attempts=_bodies(row),
        started_at=rfc3339_or_none(row.started_at),
        ended_at=None if waits else rfc3339_or_none(row.ended_at),
        error=row.error,
        error_type=row.error_type,
        traceback=row.error_traceback,
        skip_reason=row.skip_reason,
        retry_at=rfc3339_or_none(row.retry_at),
        waits_for=_wait(row, children, open_waits),
        progress=progress,
        skip_code=skip_code(row) if row.status == states.TaskStatus.SKIPPED else None,
    )


def _wait(
    row: AttemptRow, children: Sequence[UnendedChild], waits: Sequence[WaitRow]
) -> Wait | None:
    """The wait of the task of a latest attempt, if it waits."""
    if row.status == states.TaskStatus.FAILED and row.retry_at is not None:
        return Wait("retry", row.task_id, rfc3339(row.retry_at))
    if row.status != states.TaskStatus.WAITING:
        return None
    if own := waits_of_attempt(row, waits):
        return shown_wait(own[0])
    awaited = children_of_task(row.run_id, row.task_id, children)
    return Wait("run", awaited[0].id if awaited else None)


def _bodies(row: AttemptRow) -> int:
    """How many attempts its task has had up to this row; being skipped is none."""
    if row.status == states.TaskStatus.SKIPPED:
        return max(0, row.attempt - 1)
    return row.attempt
