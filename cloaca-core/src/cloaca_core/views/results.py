"""Results and states of runs, as users see them; ``task_results`` has the states of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from cloaca_core.definition.context import Context
from cloaca_core.errors import (
    PipelineTimeoutError,
    RunCancelledError,
    RunFailedError,
    VersionChangedError,
)
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.reasons import changed_tasks, overdue_text, passed_limit
from cloaca_core.values.error_prefixes import EXECUTION
from cloaca_core.values.namespace import short_name
from cloaca_core.values.option_names import RunStatus
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_core.values.tags import tags_of
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none
from cloaca_core.values.waits import NEVER
from cloaca_core.views.task_results import (
    TaskResult,
    Wait,
    main_wait,
    seconds_between,
    shown_wait,
    task_results,
)

if TYPE_CHECKING:
    from cloaca_core.engine.observe.completion import Ended
    from cloaca_core.features.explain.facts import RunFacts
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.values.times.instants import Instant


@dataclass(frozen=True, slots=True)
class RunInfo(Shown):
    """A run as it is now, or one line of a listing. Times are RFC 3339 in UTC.

    ``workflow`` is the full name of its workflow; ``seconds`` are those from start to end, or until
    now. ``version`` is the version of its workflow that it was submitted with, or that a retry was
    planned by; ``ran_version`` the one that its last runner ran it by, None before it has begun.
    ``round`` is 1 until a retry begins the next; ``parent_id`` is the run whose body has submitted
    it, ``schedule_id`` the schedule that has made it, ``singleton`` its singleton key; ``reason``
    says why it is paused or was cancelled, and who asked; ``due_at`` is when it may go on, None
    also for a run that waits for a message alone; ``queue`` is where it may be claimed, or was.
    ``active_bodies`` counts its bodies that run in this process, without those that were given up:
    0 for a run that no runner owns, None for one of another process. ``forked_from`` is the run
    that a fork was made of, ``follows`` the run whose end this one follows, by
    ``WorkflowBuilder.when_ended``. ``waits_for`` is its wait for a person, else for an event, else
    for an instant, else for a child run; the oldest of several. Listings have None for these four,
    but those of an ``Observer`` tell ``waits_for``.
    ``runner_gone`` is true while a runner owns the run that has died or lost its lease; only an
    ``Observer`` tells it, of one run and in lists. ``children`` is the number of runs that it has
    begun, detached ones aside, up to 1,000; only the lists of an ``Observer`` tell it.
    """

    id: str
    workflow_name: str
    workflow: str = field(default="", kw_only=True)
    version: str
    status: RunStatus
    created_at: str
    started_at: str | None
    ended_at: str | None
    seconds: float | None = field(default=None, kw_only=True, compare=False)
    error_message: str | None
    tags: Mapping[str, str]
    round: int = 1
    priority: int = 0
    parent_id: str | None = None
    schedule_id: str | None = field(default=None, kw_only=True)
    singleton: str | None = field(default=None, kw_only=True)
    queue: str = field(default=DEFAULT_QUEUE, kw_only=True)
    reason: str | None = None
    due_at: str | None = None
    ran_version: str | None = field(default=None, kw_only=True)
    runner_gone: bool | None = field(default=None, kw_only=True)
    children: int | None = field(default=None, kw_only=True)
    active_bodies: int | None = None
    forked_from: str | None = None
    follows: str | None = None
    waits_for: Wait | None = None


@dataclass(frozen=True, slots=True)
class RunSnapshot:
    """A run and its tasks at one moment, as ``info()`` and ``tasks()`` give them."""

    run: RunInfo
    tasks: Mapping[str, TaskResult]


class PipelineResult:
    """The result of a run that has ended, also of one that failed.

    ``start_time`` and ``end_time`` are RFC 3339 in UTC, ``duration`` is in seconds.
    """

    __slots__ = ("_attempts", "_row")

    def __init__(self, row: RunRow, attempts: Sequence[AttemptRow]) -> None:
        self._row = row
        self._attempts = attempts

    @property
    def execution_id(self) -> str:
        """The id of the run."""
        return self._row.id

    @property
    def workflow_name(self) -> str:
        """The short name of the workflow."""
        return short_name(self._row.workflow)

    @property
    def version(self) -> str:
        """The version of the workflow that the run was submitted with."""
        return self._row.version

    @property
    def ran_version(self) -> str | None:
        """The version that its last runner ran it by; None if it never began."""
        return ran_version(self._row)

    @property
    def status(self) -> RunStatus:
        """Completed, Failed or Cancelled."""
        return run_status_name(self._row)

    @property
    def start_time(self) -> str:
        """When the run started; when it was created if it never started."""
        return rfc3339(self._started())

    @property
    def end_time(self) -> str | None:
        """When the run ended."""
        return rfc3339_or_none(self._row.ended_at)

    @property
    def duration(self) -> float | None:
        """Seconds from start to end."""
        if self._row.ended_at is None:
            return None
        return (self._row.ended_at - self._started()) / 1_000_000

    @property
    def final_context(self) -> Context:
        """The merged contexts of the tasks that no other task depends on; a fresh copy."""
        return Context.from_json(self._row.final_context or "{}")

    @property
    def error_message(self) -> str | None:
        """Why the run did not complete, or None."""
        return self._row.error_message

    @property
    def error(self) -> str | None:
        """The same as ``error_message``."""
        return self._row.error_message

    @property
    def task_results(self) -> dict[str, TaskResult]:
        """Each task that was started or skipped, by id."""
        return task_results(self._attempts, run=self._row)

    def raise_for_status(self) -> None:
        """Raise ``RunFailedError`` with the error message unless the run completed;
        ``RunCancelledError`` if it was cancelled, ``VersionChangedError`` if it failed because its
        workflow has changed.
        """
        if self.status == "Completed":
            return
        message = (
            f"run {self.execution_id} of {self.workflow_name!r} is {self.status}: "
            f"{self.error_message}"
        )
        run_id, status = self.execution_id, self.status
        if (tasks := changed_tasks(self._row)) is not None:
            raise VersionChangedError(message, run_id=run_id, status=status, tasks=tasks)
        kind = RunCancelledError if status == "Cancelled" else RunFailedError
        raise kind(message, run_id=run_id, status=status)

    def _started(self) -> int:
        return self._row.started_at or self._row.created_at

    def __repr__(self) -> str:
        return (
            f"PipelineResult(status={self.status!r}, workflow_name={self.workflow_name!r}, "
            f"execution_id={self.execution_id!r}, error_message={self.error_message!r})"
        )


WorkflowResult = PipelineResult
"""The name of ``PipelineResult`` in later releases of cloaca 0.x."""


def execute_result(ended: Ended) -> PipelineResult:
    """The result for ``execute``, which raises when the run has passed its deadline."""
    row = ended.row
    if row.error_message is not None and (limit := passed_limit(row)) is not None:
        message = f"{EXECUTION}{overdue_text(row, limit)}"
        raise PipelineTimeoutError(message, run_id=row.id, timeout=limit)
    return PipelineResult(*ended)


def ran_version(row: RunRow) -> str | None:
    """The version of its workflow that a run ran by last; None before it has begun."""
    return None if row.started_at is None else row.runs_by


def run_status_name(row: RunRow) -> RunStatus:
    """The state of a run as users see it."""
    return cast("RunStatus", str(row.status))


def run_info(
    row: RunRow,
    now: Instant,
    active_bodies: int | None = None,
    forked_from: str | None = None,
    follows: str | None = None,
    waits: Sequence[WaitRow] = (),
    *,
    runner_gone: bool | None = None,
    children: int | None = None,
) -> RunInfo:
    """A run's line in a listing, or the run alone, with facts that listings do not read."""
    main = main_wait(waits)
    return RunInfo(
        id=row.id,
        workflow_name=short_name(row.workflow),
        workflow=row.workflow,
        version=row.version,
        status=run_status_name(row),
        created_at=rfc3339(row.created_at),
        started_at=rfc3339_or_none(row.started_at),
        ended_at=rfc3339_or_none(row.ended_at),
        seconds=seconds_between(row.started_at, row.ended_at, now),
        error_message=row.error_message,
        tags=tags_of(row.tags),
        round=row.round,
        priority=row.priority,
        parent_id=row.parent_id,
        schedule_id=row.schedule_id,
        singleton=row.singleton_key,
        queue=row.queue,
        reason=row.steer_reason,
        due_at=None if row.due_at == NEVER else rfc3339_or_none(row.due_at),
        ran_version=ran_version(row),
        runner_gone=runner_gone,
        children=children,
        active_bodies=active_bodies,
        forked_from=forked_from,
        follows=follows,
        waits_for=None if main is None else shown_wait(main),
    )


def info_alone(facts: RunFacts, *, runner_gone: bool | None = None) -> RunInfo:
    """A run alone, with facts that listings do not read."""
    return run_info(facts.row, facts.now, *facts[1:-1], runner_gone=runner_gone)
