"""The user code that runs here, and the log that takes its records; apart from all that runs it:
programs that only look ask, too.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import logging

    from cloaca_core.engine.execute.work import Work

CURRENT_WORK: Final[ContextVar[Work | None]] = ContextVar("cloaca_work", default=None)
"""The user code of an attempt, an ``AttemptWork``, that runs in this thread or coroutine."""


class Sink(Protocol):
    """Takes the records of one body, from the level ``least`` on. Any thread may call it."""

    @property
    def least(self) -> int:
        """The number of a level."""

    def take(self, record: logging.LogRecord) -> None:
        """Keep a record. Must neither raise nor log."""

    def take_call(self, names: str, message: object, args: tuple[object, ...]) -> None:
        """Keep what a logger was called with, and no record was made of. Like ``take``. ``names``
        are those of the level and the logger, as a line of the log has them.
        """


CURRENT_LOG: Final[ContextVar[Sink | None]] = ContextVar("cloaca_task_log", default=None)
"""The log of the body that runs in this thread or coroutine."""
