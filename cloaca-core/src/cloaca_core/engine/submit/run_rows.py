"""Makes the rows of new runs from a checked request. Writes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.submit.start import AT_ONCE
from cloaca_core.run.rows import NewRun, RunRow
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.times.clock import Clock


class RunRows:
    """Any thread may ask for rows. ``clock`` is that of the store."""

    def __init__(self, runs: ActiveRuns, ids: RunIds, clock: Clock) -> None:
        self._runs = runs
        self._ids = ids
        self._clock = clock

    def of(self, request: Request, owner: str | None, places: int) -> list[NewRun]:
        """The rows of all runs of a request; ``owner`` owns the first of them, one per place."""
        now, parent = self._clock.wall(), self._parent_of(request)
        return [
            self._row(request, text, parent, owner if position < places else None, now)
            for position, text in enumerate(request.texts)
        ]

    def unowned(self, request: Request) -> NewRun:
        """The row of a single run that any runner may claim."""
        (text,) = request.texts
        return self._row(request, text, self._parent_of(request), None, self._clock.wall())

    def _parent_of(self, request: Request) -> ActiveRun | None:
        """The run whose body submits these, if it is of this runner; perhaps it is ours no more."""
        parent = request.parent
        return parent.owner if parent and self._runs.made(parent) else None

    def _row(
        self, request: Request, text: str, parent: ActiveRun | None, owner: str | None, now: int
    ) -> NewRun:
        start, definition = request.start, request.definition
        priority, deadline_at = start.priority, None
        if parent is not None:
            priority = parent.row.priority if priority is None else priority
            if parent.limit.deadline is not None and not start.detached:
                deadline_at = parent.limit.deadline.at
        due_at = start_by = None
        if start is not AT_ONCE:
            due_at = start.due_at(now)
            start_by = start.latest(now, due_at)
            if due_at is not None or (start_by is not None and start_by <= now):
                owner = None
        return NewRun(  # without names: they would take four times as long
            self._ids.next(),
            definition.namespace,
            definition.version,
            text,
            request.tags,
            request.idempotency_key,
            None if parent is None else parent.id,
            owner,
            now,
            priority or 0,
            due_at,
            int(start.detached),
            request.time_limit,
            deadline_at,
            start_by,
            request.trace,
            request.asked_by,
        )


def owned_row(row: NewRun, messages: int = 0) -> RunRow:
    """The row that a new run of ours has become, which so many messages were sent to."""
    return RunRow(
        row.id,
        row.workflow,
        row.version,
        RunStatus.RUNNING,
        row.owner,
        1,  # epoch
        0,  # recoveries
        row.input,
        row.tags,
        row.parent_id,
        None,  # final_context
        None,  # error_message
        row.created_at,
        row.created_at,  # started_at
        None,  # ended_at
        None,  # schedule_id
        None,  # reason_code
        None,  # limit_seconds
        1,  # round
        row.priority,
        None,  # due_at
        None,  # steer_reason
        0,  # stood_still
        row.time_limit,
        row.deadline_at,
        None,  # reason_tasks
        0,  # came_due
        messages,
        row.created_at,  # claimable_at
        row.trace,
    )
