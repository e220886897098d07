"""Lines that bodies have logged, as users see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloaca_core.features.task_logs.lines import lines_in
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.times.rfc3339 import rfc3339

if TYPE_CHECKING:
    from cloaca_core.features.task_logs.records import LogChunk


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log line of a task's body. ``number`` counts the lines of the attempt, from 1, stored or
    not; ``dropped`` is the number of lines just before this one that were not stored. ``at`` is RFC
    3339 in UTC. ``logger`` is "handle" for lines of ``handle.log``; only these have ``fields``.
    ``position`` grows from line to line of the run, in the order in which they were written:
    ``run.logs(after=line)`` continues after it. ``item`` is the index of the item of a map whose
    body logged it.
    """

    run_id: str
    task_id: str
    attempt: int
    number: int
    at: str
    level: str
    logger: str
    message: str
    fields: Mapping[str, Any] | None = None
    position: int = 0
    dropped: int = 0
    item: int | None = None


class LineReader:
    """Makes lines of chunks, of one run and in order; counts the lines that are missing between
    them. ``after`` is the position of the last line that was read.
    """

    def __init__(self, after: int = 0) -> None:
        self.after: int = after
        self._is_whole = after == 0
        self._last: dict[tuple[str, int, int], int] = {}

    def lines(self, chunks: Sequence[LogChunk]) -> Iterator[LogLine]:
        """The lines that were not read yet."""
        for chunk in chunks:
            for line in self._lines_of(chunk):
                self.after = line.position
                yield line
            self.after = max(self.after, chunk.position)  # also of one whose end is damaged

    def _lines_of(self, chunk: LogChunk) -> Iterator[LogLine]:
        key = (chunk.task_id, chunk.item, chunk.attempt)
        first = chunk.position - chunk.size + 1
        for index, line in enumerate(lines_in(chunk.lines)):
            number = chunk.number + index
            dropped, self._last[key] = self._dropped(key, number), number
            if first + index > self.after:
                yield LogLine(
                    chunk.run_id,
                    chunk.task_id,
                    chunk.attempt,
                    number,
                    rfc3339(line.at),
                    line.level,
                    line.logger,
                    line.message,
                    line.fields,
                    first + index,
                    dropped,
                    None if chunk.item == THE_TASK else chunk.item,
                )

    def _dropped(self, key: tuple[str, int, int], number: int) -> int:
        """How many lines are missing before this one. An attempt that runs again in another owner
        of its run counts from 1 again. Before the first line of an answer that does not begin at
        the start that is not known, and nothing is said.
        """
        last = self._last.get(key)
        if last is None:
            return number - 1 if self._is_whole else 0
        return number - 1 if number <= last else number - last - 1
