"""The rows of lines that bodies of tasks have logged, and of their progress."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, NamedTuple

from cloaca_core.run.rows import THE_TASK
from cloaca_core.store.batch import Kind


class LogChunk(NamedTuple):
    """Consecutive lines of one attempt. Its key is (run_id, position).

    ``position`` is the position of its last line among the lines of the run: it grows in the order
    in which chunks are written, also when the owner changes. ``number`` is the number of its first
    line in the attempt, from 1; lines that were not stored are counted too. ``lines`` is a JSON
    list, of ``size`` items.
    """

    run_id: str
    position: int
    task_id: str
    attempt: int
    number: int
    size: int
    lines: str
    item: int = THE_TASK


class OldChunk(NamedTuple):
    """A chunk to delete, as its attempt has logged more than is stored."""

    run_id: str
    position: int


class ProgressRow(NamedTuple):
    """The progress of an attempt, as its body reported it last. ``total`` is None if it is not
    known; ``told_at`` is in µs.
    """

    run_id: str
    task_id: str
    attempt: int
    done: float
    total: float | None
    detail: str | None
    told_at: int
    item: int = THE_TASK


key_of_progress: Final[Callable[[ProgressRow], tuple[Any, ...]]] = attrgetter(
    "run_id", "task_id", "item", "attempt"
)
"""The key of a progress row. Without a call of Python, as it is asked for each row."""

LINES: Final = Kind[LogChunk]("lines")
OLD_LINES: Final = Kind[OldChunk]("old_lines")
PROGRESS: Final = Kind[ProgressRow]("progress")
"""All three are fenced."""


class ChunkFilter(NamedTuple):
    """Selects chunks of a run: the first ``limit`` chunks with lines after the position ``after``,
    of a task, an attempt and an item of a map or (None) of all. With ``before`` the last ``limit``
    of those that end before that position.
    """

    run_id: str
    after: int = 0
    task_id: str | None = None
    attempt: int | None = None
    limit: int = 100
    item: int | None = None
    before: int | None = None
