"""The attempt rows that a run's events become. Pure; the only place where they are built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core._engine.outcome import Raised, Succeeded
from cloaca_core.store.records import AttemptRow, storable_text
from cloaca_core.store.states import TaskStatus

if TYPE_CHECKING:
    from cloaca_core._engine.active_run import ActiveRun
    from cloaca_core._engine.attempt import Job


def start_mark(job: Job) -> AttemptRow:
    """The body has started, or is about to."""
    return _row(job, TaskStatus.RUNNING, None)


def completed(job: Job, outcome: Succeeded, now: int) -> AttemptRow:
    """The attempt succeeded at ``now``."""
    return _row(job, TaskStatus.COMPLETED, now)._replace(change=outcome.text)


def failed(job: Job, failure: Raised, now: int, *, retry_at: int | None) -> AttemptRow:
    """The attempt failed at ``now``; another one may start at ``retry_at``."""
    row = _row(job, TaskStatus.FAILED, now)
    return _with_error(row, failure)._replace(retry_at=retry_at)


def failed_at(run: ActiveRun, task: int, attempt: int, failure: Raised, now: int) -> AttemptRow:
    """An attempt that fails without its body being started."""
    return _with_error(_bare_row(run, task, attempt, TaskStatus.FAILED, now), failure)


def cancelled(job: Job, reason: str, now: int) -> AttemptRow:
    """The attempt was cut short because its run is over."""
    return _row(job, TaskStatus.CANCELLED, now)._replace(skip_reason=storable_text(reason))


def skipped(run: ActiveRun, task: int, reason: str, now: int) -> AttemptRow:
    """The task does not run at all."""
    row = _bare_row(run, task, 0, TaskStatus.SKIPPED, now)
    return row._replace(skip_reason=storable_text(reason))


def _row(job: Job, status: TaskStatus, ended_at: int | None) -> AttemptRow:
    row = _bare_row(job.owner, job.index, job.attempt, status, ended_at)
    return row._replace(started_at=job.started_at, crashes=job.crashes)


def _bare_row(
    run: ActiveRun, task: int, attempt: int, status: TaskStatus, ended_at: int | None
) -> AttemptRow:
    return AttemptRow(
        run_id=run.id,
        task_id=run.graph.tasks[task].id,
        attempt=attempt,
        epoch=run.epoch,
        status=status,
        change=None,
        error_type=None,
        error_message=None,
        error_traceback=None,
        skip_reason=None,
        started_at=None,
        ended_at=ended_at,
        retry_at=None,
        crashes=0,
    )


def _with_error(row: AttemptRow, failure: Raised) -> AttemptRow:
    return row._replace(
        error_type=failure.type,
        error_message=failure.message,
        error_traceback=failure.traceback,
    )
