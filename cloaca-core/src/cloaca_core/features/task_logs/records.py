"""The rows of lines that bodies of tasks have logged, and of their progress."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind


class LogChunk(NamedTuple):
    """Lines of one attempt that follow each other. Its key is (run_id, position).

    ``position`` is that of its last line among the lines of the run: it grows in the order in which
    chunks are written, also over changes of the owner. ``number`` is that of its first line in the
    attempt, from 1; lines that were not kept are counted too. ``lines`` is a JSON list, of ``size``
    items.
    """

    run_id: str
    position: int
    task_id: str
    attempt: int
    number: int
    size: int
    lines: str


class OldChunk(NamedTuple):
    """A chunk that goes, as its attempt has logged more than is kept."""

    run_id: str
    position: int


class ProgressRow(NamedTuple):
    """How far an attempt has come, as its body has told last. ``total`` is None where it is open,
    ``told_at`` in µs.
    """

    run_id: str
    task_id: str
    attempt: int
    done: float
    total: float | None
    detail: str | None
    told_at: int


LINES: Final = Kind[LogChunk]("lines")
OLD_LINES: Final = Kind[OldChunk]("old_lines")
PROGRESS: Final = Kind[ProgressRow]("progress")
"""All three are fenced."""


class ChunkFilter(NamedTuple):
    """Selects chunks of a run: those with lines after the position ``after``, of a task and an
    attempt or (None) of all, the first ``limit`` of them.
    """

    run_id: str
    after: int = 0
    task_id: str | None = None
    attempt: int | None = None
    limit: int = 100
