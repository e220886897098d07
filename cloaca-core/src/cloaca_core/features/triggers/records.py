"""The rows of event triggers and their events; forms as in ``run.rows``."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind
from cloaca_core.values.namespace import short_name


class TriggerRow(NamedTuple):
    """An event trigger. One whose ``workflow`` is None is never polled.

    It is polled every ``poll_interval_ms``, or ticks by ``cron_expression`` in ``timezone``;
    ``next_poll_at`` is the next time. ``generation`` grows with every change and every poll.

    ``last_error`` is the error of its last poll, None after a good one. ``failed_polls`` have
    failed one after the other since ``failing_since``; a poll that goes on counts as one of them
    until it has ended. The error was written at ``error_at``.
    """

    id: str
    name: str
    workflow: str | None
    poll_interval_ms: int | None
    cron_expression: str | None
    timezone: str | None
    allow_concurrent: bool
    enabled: bool
    last_poll_at: int | None
    next_poll_at: int | None
    generation: int
    created_at: int
    updated_at: int
    last_error: str | None = None
    failing_since: int | None = None
    failed_polls: int = 0
    error_at: int | None = None

    @property
    def workflow_name(self) -> str | None:
        """The short name of its workflow."""
        return None if self.workflow is None else short_name(self.workflow)

    @property
    def poll_seconds(self) -> float | None:
        """How often it is polled; None if it ticks, or is never polled."""
        return None if self.poll_interval_ms is None else self.poll_interval_ms / 1000


class NewEvent(NamedTuple):
    """An event that a trigger found, and its run, which has no owner yet.

    ``generation`` is the trigger's when it was polled; None if the event counts even when the
    trigger has changed. ``event_key`` identifies the event among the events of its trigger.
    """

    id: str
    trigger_id: str
    generation: int | None
    event_key: str | None
    context_hash: str
    allow_concurrent: int
    run_id: str
    workflow: str
    version: str
    input: str
    created_at: int


EVENTS: Final = Kind[NewEvent]("events", lambda event: len(event.input), adds_work=True)
TURNS: Final = Kind[TriggerRow]("turns", adds_work=True)
"""The triggers whose polls found the events of the batch, or none."""


class EventRow(NamedTuple):
    """An event that made a run; ``ended_at`` is None while the run has not ended."""

    id: str
    trigger_id: str
    context_hash: str
    run_id: str
    created_at: int
    ended_at: int | None
