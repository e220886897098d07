"""The lines that bodies have logged, on their way to the journal.

Each commit takes the lines that wait, as it takes start marks; if none comes soon, they get one of
their own. A line never keeps a record of a run from being written.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.features.task_logs.lines import joined
from cloaca_core.features.task_logs.records import (
    LINES,
    OLD_LINES,
    PROGRESS,
    LogChunk,
    OldChunk,
    ProgressRow,
)
from cloaca_core.features.task_logs.task_log import (
    PART_BYTES,
    PART_LINES,
    AttemptLog,
    Numbered,
    Told,
)
from cloaca_core.logs import SafeLogger
from cloaca_core.values.log_levels import is_off, least_number
from cloaca_core.values.payloads.redaction import unchanged
from cloaca_core.values.this_process import THIS_PROCESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.store.batch import Rows
    from cloaca_core.values.payloads.redaction import LineRedact
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.journal")

DELAY: Final = 0.02
"""Seconds after which lines get a commit of their own, if no other commit took them."""
APART: Final = 0.1
"""Seconds between two such commits."""
CHUNK_BYTES: Final = 64 << 10
"""About the size at which a chunk ends: the last part of a log goes by chunks."""
POSITIONS: Final = 10**9
"""The number of line positions of each owner of a run: the higher digits are the owner's epoch."""


class AttemptLines(NamedTuple):
    """Rows of one attempt, which count if its run has this epoch."""

    run_id: str
    epoch: int
    chunks: Sequence[LogChunk]
    old: Sequence[OldChunk]
    progress: ProgressRow | None

    @property
    def rows(self) -> Rows:
        """The rows, as a batch carries them."""
        told = () if self.progress is None else (self.progress,)
        return {**LINES.rows(self.chunks), **OLD_LINES.rows(self.old), **PROGRESS.rows(told)}


class LogBook:
    """Makes the logs of attempts by ``open``. Belongs to the engine's loop, but for what the logs
    call. ``waiting`` are the logs that have lines to take; ``due`` is called when they have waited
    for long enough. ``redact`` hides secrets.
    """

    def __init__(self, level: str, clock: Clock, redact: LineRedact = unchanged) -> None:
        self.least: int = least_number(level)
        self.redact: LineRedact = redact
        self.due: Callable[[], None] = _nothing
        self.wall: Callable[[], int] = clock.wall
        self.open: Callable[[ActiveRun, str, int], AttemptLog] = partial(AttemptLog, self)
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.Context()
        self._forks = THIS_PROCESS.forks
        self.waiting: deque[AttemptLog] = deque()
        self._is_armed = False
        self._due_at = 0.0
        self._taken_at = 0.0

    @property
    def is_off(self) -> bool:
        """Whether no line is stored."""
        return is_off(self.least)

    # -- any thread --------------------------------------------------------------------------

    def list(self, log: AttemptLog) -> None:
        """A log has its first line since it was taken. The loop is woken if it does not know yet
        that lines wait; not by a process that was forked off.
        """
        self.waiting.append(log)  # first: the loop looks for it after it has disarmed
        if not self._is_armed and THIS_PROCESS.forks == self._forks:
            self._is_armed = True
            with suppress(RuntimeError):  # the loop has been closed
                # Without the body's context, which the timer would keep.
                self._loop.call_soon_threadsafe(self._arm, context=self._context)

    # -- the loop ----------------------------------------------------------------------------

    def _arm(self) -> None:
        self._call_at(max(self._loop.time() + DELAY, self._due_at))

    def _call_at(self, when: float) -> None:
        self._loop.call_at(when, self._time_is_over, context=self._context)

    def _time_is_over(self) -> None:
        """Lines are due, unless the waiting lines came after a commit a moment ago."""
        now, waited = self._loop.time(), self._taken_at + DELAY
        if self.waiting and now < waited:
            self._call_at(waited)
            return
        self._is_armed = False  # first: a log that is listed from now on arms it again
        if self.waiting:
            self._due_at = now + APART
            self.due()

    def take(self) -> Sequence[AttemptLines]:
        """Take what waits."""
        self._taken_at = self._loop.time()
        found: list[AttemptLines] = []
        for _ in range(len(self.waiting)):
            attempt_log = self.waiting.popleft()
            try:
                rows = _rows_of(attempt_log)
            except Exception:  # of its own: the lines of others are kept
                run_id = attempt_log.run.id
                log.exception("lines that run %s has logged are not kept", run_id)
            else:
                found += [] if rows is None else [rows]
        return found

    def forget(self) -> None:
        """Drop what waits: no run is ours any more."""
        self.waiting.clear()


def _nothing() -> None:
    """Stands for ``due`` until there is a journal."""


# -- rows ----------------------------------------------------------------------------------------


def _rows_of(log: AttemptLog) -> AttemptLines | None:
    number, first, last, told = log.waiting()
    run = log.run
    chunks = _chunks(log, number, first) if first else []
    old: list[OldChunk] = []
    if last:
        newer = [chunk for part in _unbroken(last) for chunk in _chunks(log, *part)]
        log.tail += [(chunk.position, chunk.size, len(chunk.lines)) for chunk in newer]
        gone = _outgrown(log.tail)
        old = [OldChunk(run.id, position) for position in gone]
        chunks += [chunk for chunk in newer if chunk.position not in gone]
    progress = None if told is None else _progress_row(log, told)
    if not (chunks or old or progress):
        return None
    return AttemptLines(run.id, run.epoch, chunks, old, progress)


def _unbroken(lines: Sequence[Numbered]) -> Iterator[tuple[int, list[str]]]:
    """Parts whose numbers follow each other, each after its first number."""
    begin = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or lines[end][0] != lines[end - 1][0] + 1:
            yield lines[begin][0], [line for _, line in lines[begin:end]]
            begin = end


def _chunks(log: AttemptLog, number: int, lines: Sequence[str]) -> list[LogChunk]:
    """Chunks of about ``CHUNK_BYTES`` at most: nearly always one."""
    text, size = joined(lines), len(lines)
    if size > 1 and len(text) > CHUNK_BYTES:
        middle = size // 2
        later = number + middle
        return _chunks(log, number, lines[:middle]) + _chunks(log, later, lines[middle:])
    run = log.run
    run.lines += size
    position = run.epoch * POSITIONS + run.lines
    return [LogChunk(run.id, position, log.task_id, log.attempt, number, size, text, log.item)]


def _outgrown(tail: list[tuple[int, int, int]]) -> list[int]:
    """Take the oldest chunks out of the last part, as far as that is too large; their positions."""
    lines = sum([size for _, size, _ in tail])
    weight = sum([length for _, _, length in tail])
    gone: list[int] = []
    while len(tail) > 1 and (lines > PART_LINES or weight > PART_BYTES):
        position, size, length = tail.pop(0)
        lines, weight = lines - size, weight - length
        gone.append(position)
    return gone


def _progress_row(log: AttemptLog, told: Told) -> ProgressRow:
    return ProgressRow(
        log.run.id,
        log.task_id,
        log.attempt,
        told.done,
        told.total,
        told.detail,
        told.at,
        log.item,
    )
