"""The log of a body, as the kernel sees it. A feature makes it with the attempt, and it takes log
records of the body until it is closed. A kernel without the feature has logs that keep nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final, Never, Protocol

from cloaca_core.definition.handles.task_handle import BodyLog
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.log_levels import OFF, least_number
from cloaca_core.values.payloads.redaction import LineRedact, unchanged

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.times.clock import Clock


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
    """The log of an attempt, which takes lines until it is ``closed``. ``item`` is the index of the
    item of a map, -1 for a task.
    """

    closed: bool
    item: int


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


class NoLog:
    """The log of an attempt. Contracts: see ``OpenLog``."""

    closed = False
    item = THE_TASK
    least: Final = least_number(OFF)

    def log(self, message: object, level: str, number: int, fields: Mapping[str, object]) -> None:
        """Keep nothing."""

    def tell(self, done: float, total: float | None, text: str | None) -> None:
        """Keep nothing."""

    def take(self, record: logging.LogRecord) -> None:
        """Keep nothing."""

    def take_call(self, names: str, message: object, args: tuple[object, ...]) -> None:
        """Keep nothing."""


class NoLogs:
    """Contracts: see ``TaskLogs``, and ``Riders`` of the journal."""

    redact: LineRedact = unchanged
    waiting: Final[Sequence[Never]] = ()

    def __init__(self, _: Clock) -> None:
        self.due: Callable[[], None] = _nothing

    def open(self, _: ActiveRun, __: str, ___: int) -> NoLog:
        """Make a log that takes nothing."""
        return NoLog()

    def take(self) -> Sequence[Never]:
        """Nothing waits."""
        return ()

    def forget(self) -> None:
        """Nothing waits."""


def _nothing() -> None:
    """Nothing is ever due."""
