"""The names of events, one vocabulary: ``run.events()`` has the words, log records, spans and
metrics the same words behind ``cloaca.run.`` and ``cloaca.task.``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

RunEventKind: TypeAlias = Literal[
    "created",
    "started",
    "ended",
    "followed",
    "cancel_requested",
    "paused",
    "resumed",
    "retried",
    "forked",
    "expired",
    "sent",
    "approved",
    "child_ended",
]
"""Events of a run as a whole."""

TaskEventKind: TypeAlias = Literal[
    "task_started",
    "task_completed",
    "task_failed",
    "task_skipped",
    "task_cancelled",
]
"""Events of a task."""

KINDS: Final[frozenset[str]] = frozenset(get_args(RunEventKind) + get_args(TaskEventKind))
"""All kinds of events."""

OF_ACTS: Final[Mapping[str, RunEventKind]] = {
    "cancel": "cancel_requested",
    "pause": "paused",
    "resume": "resumed",
    "retry": "retried",
    "fork": "forked",
    "expire": "expired",
    "send": "sent",
    "approve": "approved",
}
"""The event of each kind of act that is noted for a run."""


def name_of(kind: RunEventKind | TaskEventKind) -> str:
    """The full name of an event, as in log records: ``cloaca.run.started``."""
    of_task = kind.removeprefix("task_")
    return f"cloaca.run.{kind}" if of_task == kind else f"cloaca.task.{of_task}"


RUN_CREATED: Final = name_of("created")
RUN_STARTED: Final = name_of("started")
RUN_ENDED: Final = name_of("ended")
RUN_CANCEL_REQUESTED: Final = name_of("cancel_requested")
RUN_PAUSED: Final = name_of("paused")
TASK_STARTED: Final = name_of("task_started")
TASK_COMPLETED: Final = name_of("task_completed")
TASK_FAILED: Final = name_of("task_failed")
