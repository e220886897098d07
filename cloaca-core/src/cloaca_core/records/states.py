"""The states of runs and tasks."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """Where a run stands. The values are the names that users see."""

    PENDING = "Pending"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class TaskStatus(StrEnum):
    """Where a task of a run stands. The values are the names that users see."""

    NOT_STARTED = "NotStarted"
    READY = "Ready"
    RUNNING = "Running"
    WAITING = "Waiting"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    CANCELLED = "Cancelled"


class TickOutcome(StrEnum):
    """What became of a tick of a schedule."""

    FIRED = "Fired"
    RECOVERED = "Recovered"
    SKIPPED = "Skipped"
    BACKFILLED = "Backfilled"
