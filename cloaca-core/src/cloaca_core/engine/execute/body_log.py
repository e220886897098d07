"""The log of a body, as the kernel sees it. A feature makes it with the attempt, and it takes log
records of the body until it is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

from cloaca_core.definition.handles.task_handle import BodyLog

if TYPE_CHECKING:
    import logging

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.payloads.redaction import LineRedact


class Sink(Protocol):
    """Takes the log records of one body, from the level ``least`` on. Any thread may call it."""

    @property
    def least(self) -> int:
        """The number of a level."""

    def take(self, record: logging.LogRecord) -> None:
        """Keep a record. Must neither raise nor log."""

    def take_call(self, names: str, message: object, args: tuple[object, ...]) -> None:
        """Keep the arguments of a logging call of which no record was made. Like ``take``.
        ``names`` are the names of the level and of the logger, as they stand in a line of the log.
        """


class OpenLog(BodyLog, Sink, Protocol):
    """The log of an attempt, which takes lines until it is ``closed``."""

    closed: bool


class TaskLogs(Protocol):
    """Makes the logs of attempts."""

    @property
    def redact(self) -> LineRedact:
        """Hides secrets in texts of bodies."""

    @property
    def open(self) -> Callable[[ActiveRun, str, int], OpenLog]:
        """Makes the log of an attempt: of a run, the id of a task, and a number."""


CURRENT_LOG: Final[ContextVar[Sink | None]] = ContextVar("cloaca_task_log", default=None)
"""The log of the body that runs in this thread or coroutine."""
