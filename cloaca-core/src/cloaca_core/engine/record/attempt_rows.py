"""Builds the rows of attempts, which are built nowhere else, and the start marks of running
bodies.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.outcome import Raised, Succeeded, raised
from cloaca_core.engine.execute.work import ENGINE_PROCESS
from cloaca_core.run.items.units import BITS, TASK
from cloaca_core.run.merge import Change
from cloaca_core.run.rows import AttemptRow
from cloaca_core.run.suspicion import after_death, is_suspect
from cloaca_core.values.states import ReasonCode, TaskStatus
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.execute.outcome import Outcome
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.reasons import Reason
    from cloaca_core.run.restore import Resume

_COMPLETED: Final = TaskStatus.COMPLETED.value


def start_mark(attempt: Attempt) -> AttemptRow:
    """The body has started, or is about to. The reason code says for which deaths of its process it
    is not blamed: see ``RunnerStore.take_over``. A body that has come further than before is no
    suspect any more.
    """
    row = _of_attempt(attempt, TaskStatus.RUNNING, None)
    alone = attempt.alone and is_suspect(attempt.crashes)
    if attempt.domain != ENGINE_PROCESS:
        code = ReasonCode.ALONE_ELSEWHERE if alone else ReasonCode.ELSEWHERE
        return row._replace(reason_code=str(code))
    return row._replace(reason_code=str(ReasonCode.ALONE)) if alone else row


def as_begun(row: AttemptRow) -> AttemptRow:
    """The row as it was when its body began. The row of a wait is returned unchanged."""
    if row.status == TaskStatus.WAITING:
        return row
    return row._replace(
        status=str(TaskStatus.RUNNING),
        change=None,
        error_type=None,
        error_message=None,
        error_traceback=None,
        skip_reason=None,
        ended_at=None,
        retry_at=None,
        reason_code=None,
    )


def waiting_mark(attempt: Attempt) -> AttemptRow:
    """The body waits for another run, a message or an instant."""
    return _of_attempt(attempt, TaskStatus.WAITING, None)


def suspended(attempt: Attempt) -> AttemptRow:
    """The body was suspended in a wait. The next owner of the run starts it again when the wait is
    over.
    """
    row = _of_attempt(attempt, TaskStatus.WAITING, None)
    return row._replace(reason_code=str(ReasonCode.HAS_LEFT), crashes=0)


def resumes_body(row: AttemptRow) -> AttemptRow:
    """A suspended body is to run again, at once."""
    return row._replace(reason_code=None)


def of_node(
    run: ActiveRun,
    task: int,
    attempt: int,
    opened_at: int,
    ended_at: int | None = None,
    *,
    change: Change | None = None,
    error: Exception | None = None,
) -> AttemptRow:
    """A node that waits since ``opened_at``, or has completed with ``change``, or failed."""
    status = TaskStatus.WAITING if ended_at is None else TaskStatus.COMPLETED
    failure: Raised | None = None
    if error is not None:
        failure = replace(raised(error, again=False), traceback="")
    return _row(
        run,
        task,
        attempt,
        TaskStatus.FAILED if failure is not None else status,
        ended_at,
        change=None if change is None else change.to_json(),
        failure=failure,
        started_at=opened_at,
    )


def of_map(run: ActiveRun, task: int, attempt: int, opened_at: int) -> AttemptRow:
    """The row of a map itself while its items run: no body dies with its process."""
    mark = _row(run, task, attempt, TaskStatus.RUNNING, None, started_at=opened_at)
    return mark._replace(reason_code=str(ReasonCode.MAP))


def cut_waits(run: ActiveRun, reason: Reason, now: int) -> list[AttemptRow]:
    """Rows for the tasks of a run that wait without a body here, and for its open maps: they are
    cut short, as the run is over.
    """
    cut = run.waits.without_body() if run.waits is not None else set()
    if run.maps is not None:
        cut |= run.maps.opened()
    return [
        run.latest[task]._replace(
            epoch=run.epoch,
            status=TaskStatus.CANCELLED.value,
            skip_reason=storable_text(reason.text),
            reason_code=str(reason.code),
            ended_at=now,
        )
        for task in sorted(cut)
    ]


def completed(attempt: Attempt, outcome: Succeeded, now: int) -> AttemptRow:
    """The attempt succeeded at ``now``. Built without ``_row``, which is slower: nearly all rows
    are of this kind.
    """
    run = attempt.owner
    contexts = run.plan.contexts
    return AttemptRow(
        run.id,
        attempt.task.id,
        attempt.number,
        run.epoch,
        _COMPLETED,
        outcome.text,
        None,  # error_type
        None,  # error_message
        None,  # error_traceback
        None,  # skip_reason
        attempt.started_at,
        now,
        None,  # retry_at
        attempt.crashes,
        None,  # reason_code
        contexts.seen_by(attempt.index & TASK) if contexts.replacements else 0,
        None,  # runner
        (attempt.index >> BITS) - 1,  # item
    )


def failed(attempt: Attempt, failure: Raised, now: int, *, retry_at: int | None) -> AttemptRow:
    """The attempt failed at ``now``; another one may start at ``retry_at``. The reason code tells a
    later owner of the run whether the attempt counts. If its process died, the row also says how
    often that has happened, and whether other bodies ran in the process.
    """
    row = _of_attempt(attempt, TaskStatus.FAILED, now, failure=failure, retry_at=retry_at)
    if failure.crashed:
        code = ReasonCode.POOL_BROKE if failure.shared else ReasonCode.WORKER_LOST
        crashes = after_death(attempt.crashes, alone=attempt.alone or not failure.shared)
        return row._replace(reason_code=str(code), crashes=crashes)
    return row if failure.counts else row._replace(reason_code=str(ReasonCode.NOT_COUNTED))


def last(failed: AttemptRow) -> AttemptRow:
    """The row of a failed attempt that was the last one of its task, so that the run pauses."""
    return failed._replace(reason_code=str(ReasonCode.EXHAUSTED))


def failed_unstarted(
    run: ActiveRun, task: int, resume: Resume, failure: Raised, now: int
) -> AttemptRow:
    """An attempt that fails without its body being started."""
    return _row(
        run,
        task,
        resume.attempt,
        TaskStatus.FAILED,
        now,
        failure=failure,
        crashes=resume.crashes,
    )


def cancelled(attempt: Attempt, reason: Reason, now: int) -> AttemptRow:
    """The attempt was cut short because its run is over."""
    return _of_attempt(attempt, TaskStatus.CANCELLED, now, reason=reason)


def cut_off(attempt: Attempt, outcome: Outcome, reason: Reason | None, now: int) -> AttemptRow:
    """The end of an attempt whose run is being cancelled, for this ``reason``. The reason is None
    until it is known; nothing is cut off before.
    """
    if isinstance(outcome, Succeeded):
        return completed(attempt, outcome, now)
    if isinstance(outcome, Raised):
        return failed(attempt, outcome, now, retry_at=None)
    assert reason is not None
    return cancelled(attempt, reason, now)


def skipped(run: ActiveRun, task: int, reason: Reason, now: int) -> AttemptRow:
    """The task does not run: attempt 0, or the next attempt of a task that was restarted."""
    number = run.resume[task].attempt if task in run.resume else 0
    return _row(run, task, number, TaskStatus.SKIPPED, now, reason=reason)


def item_withdrawn(run: ActiveRun, unit: int, number: int, now: int) -> AttemptRow:
    """The attempt of an item that never began, as its map had stopped. If the attempt before it had
    failed, the item fails with the error of that.
    """
    before = run.latest.get(unit)
    if before is not None and before.error is not None:
        return before._replace(attempt=number, epoch=run.epoch, ended_at=now, retry_at=None)
    row = _row(run, unit, number, TaskStatus.SKIPPED, now)
    return row._replace(skip_reason="its map had stopped")


def _of_attempt(
    attempt: Attempt,
    status: TaskStatus,
    ended_at: int | None,
    *,
    change: str | None = None,
    failure: Raised | None = None,
    reason: Reason | None = None,
    retry_at: int | None = None,
) -> AttemptRow:
    return _row(
        attempt.owner,
        attempt.index,
        attempt.number,
        status,
        ended_at,
        change=change,
        failure=failure,
        reason=reason,
        started_at=attempt.started_at,
        retry_at=retry_at,
        crashes=attempt.crashes,
    )


def _row(
    run: ActiveRun,
    unit: int,
    attempt: int,
    status: TaskStatus,
    ended_at: int | None,
    *,
    change: str | None = None,
    failure: Raised | None = None,
    reason: Reason | None = None,
    started_at: int | None = None,
    retry_at: int | None = None,
    crashes: int = 0,
) -> AttemptRow:
    return AttemptRow(
        run.id,
        run.graph.tasks[unit & TASK].id,
        attempt,
        run.epoch,
        status._value_,
        change,
        None if failure is None else failure.type,
        None if failure is None else failure.message,
        None if failure is None else failure.traceback,
        None if reason is None else storable_text(reason.text),
        started_at,
        ended_at,
        retry_at,
        crashes,
        None if reason is None else str(reason.code),
        run.plan.contexts.seen_by(unit & TASK) if run.plan.contexts.replacements else 0,
        None,  # runner
        (unit >> BITS) - 1,  # item
    )


class StartMarks:
    """Makes rows that name the running bodies, in case their process dies. Belongs to the engine's
    loop.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self.are_coming: bool = False

    def running(self) -> list[Attempt]:
        """The attempts whose bodies run right now."""
        return [work for work in self._executor.running() if isinstance(work, Attempt)]

    def take(self) -> list[AttemptRow]:
        """The marks of running bodies that have none yet. They count as written from now on.
        ``are_coming`` then says whether a body is about to begin, so that its mark is due soon.
        """
        self.are_coming = (
            self._executor.is_starting
        )  # first: what begins meanwhile is in one of both
        if not (running := list(self._executor.running())):
            return []
        due = [
            work
            for work in running
            if isinstance(work, Attempt) and work.holds_slot and not (work.marked or work.abandoned)
        ]
        rows = [start_mark(attempt) for attempt in due]
        for attempt in due:  # last: none is lost if its row cannot be made
            attempt.marked = True
        return rows
