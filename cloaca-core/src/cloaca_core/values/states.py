"""The states of runs and tasks, and the codes of the reasons for them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class RunStatus(StrEnum):
    """States of a run. The values are the names that users see."""

    PENDING = "Pending"
    RUNNING = "Running"
    WAITING = "Waiting"
    PAUSED = "Paused"
    CANCELLING = "Cancelling"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class TaskStatus(StrEnum):
    """States of a task in a run. The values are the names that users see."""

    NOT_STARTED = "NotStarted"
    READY = "Ready"
    RUNNING = "Running"
    WAITING = "Waiting"
    COMPLETED = "Completed"
    FAILED = "Failed"
    SKIPPED = "Skipped"
    CANCELLED = "Cancelled"


class ReasonCode(StrEnum):
    """Why a run ended without completing, or why a task was skipped or cut short.

    Programs decide by the code, people read the text beside it. A task that was cut short has
    the code of its run. A row that completed has none, nor has a failed attempt, whose error
    type says why, unless it does not count as one of the task's attempts (with ``WORKER_LOST``
    as a process died under it, with ``POOL_BROKE`` as its executor broke with all its bodies), or
    is the last one and has paused its run. A waiting attempt has one if its body has left memory
    meanwhile; a running one if it is a suspect and runs alone, if it runs on an executor, or both.
    The row of a map itself has ``MAP`` while its items run.
    Rows of an older version have none either.
    """

    TASK_FAILED = "task_failed"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    CONTEXT_TOO_LARGE = "context_too_large"
    CANCELLED_BY_SCHEDULE = "cancelled_by_schedule"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNSTORABLE = "unstorable"
    UNREADABLE = "unreadable"
    INTERNAL_ERROR = "internal_error"
    UPSTREAM_FAILED = "upstream_failed"
    TRIGGER_RULE = "trigger_rule"
    REJECTED = "rejected"
    NOT_COUNTED = "not_counted"
    WORKER_LOST = "worker_lost"
    POOL_BROKE = "pool_broke"
    EXHAUSTED = "exhausted"
    HAS_LEFT = "has_left"
    VERSION_CHANGED = "version_changed"
    ALONE = "alone"
    ELSEWHERE = "elsewhere"
    ALONE_ELSEWHERE = "alone_elsewhere"
    MAP = "map"
    LIMIT_KEY = "limit_key"
    INPUT = "input"
    MERGE = "merge"


LOST: Final = (ReasonCode.WORKER_LOST, ReasonCode.POOL_BROKE)
"""The codes of attempts under which a process of their executor died."""

UNCOUNTED: Final = (ReasonCode.NOT_COUNTED, *LOST)
"""The codes of attempts that use up none of the task's."""


SUSPECT_AFTER: Final = 2
"""Deaths of the process or pool that it shares after which a body is a suspect, and runs alone."""


class TickOutcome(StrEnum):
    """Results of a schedule's tick."""

    FIRED = "Fired"
    RECOVERED = "Recovered"
    SKIPPED = "Skipped"
    BACKFILLED = "Backfilled"
    REQUESTED = "Requested"
