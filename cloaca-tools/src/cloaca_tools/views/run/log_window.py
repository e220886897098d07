"""Some of the lines of a run, over all its tasks and attempts, in the order in which they were
written: the newest, those before a line, or those from a line on.

A line has a position, which grows in the order of writing over the whole run. What is looked for in
the lines is looked for here, a bounded number of them at a time: the answer says where to go on.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from cloaca_core.features.task_logs.operations import wanted_lines
from cloaca_core.features.task_logs.records import ChunkFilter, LogChunk
from cloaca_core.features.task_logs.run_logs import by_ids, chunks_read, lines_read
from cloaca_core.features.task_logs.views import LineReader, LogLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.assembly.store import Store

LINES: Final = 500
"""Lines of a window."""
LOOKED_AT: Final = 5_000
"""Lines that one read looks at, about."""
_CHUNKS: Final = 20
"""Chunks that one statement reads backwards: a chunk has up to 64 KiB."""
_MOST_CHUNKS: Final = 200
"""Chunks that one read reads backwards."""
_LEVELS: Final = logging.getLevelNamesMapping()


Said: TypeAlias = "Callable[[LogLine], str]"
"""The text of a line as it is shown: what is hidden there must not be found."""


class LogSearch(NamedTuple):
    """Lines of a task and an attempt, or (None) of all; of ``level`` or above, "" for any; with
    ``text`` in their message, in any case. ``before`` is the position before which the window ends,
    ``start`` the one with which it begins; without both it has the newest lines.
    """

    task: str | None = None
    attempt: int | None = None
    level: str = ""
    text: str = ""
    before: int | None = None
    start: int | None = None

    def beyond(self, found: LogWindow) -> LogSearch | None:
        """The search that goes on where a window ends; None if nothing is there."""
        if self.start is not None:
            return None if found.newer is None else self._replace(start=found.newer)
        return None if found.older is None else self._replace(before=found.older)

    def has(self, line: LogLine, said: Said) -> bool:
        """Whether a line is one of these, whose text is ``said``."""
        if not is_of_level(line, self.level):
            return False
        return not self.text or self.text.lower() in said(line).lower()


@dataclass(frozen=True, slots=True)
class WindowLine:
    """A line. It is ``again`` if its attempt counts its lines from 1 again: another process runs
    it, as the one before has died.
    """

    line: LogLine
    again: bool = False


@dataclass(frozen=True, slots=True)
class LogWindow:
    """Lines in the order in which they were written. ``older`` is the position before which there
    may be further ones, ``newer`` the one from which on, None if there are none. ``end`` is the
    position up to which the window has looked.
    """

    lines: tuple[WindowLine, ...]
    older: int | None
    newer: int | None
    end: int


class Read(NamedTuple):
    """Chunks in the order of writing; with ``is_first`` there are none before, with ``is_last``
    none after them.
    """

    wanted: LogSearch
    chunks: Sequence[LogChunk]
    is_first: bool
    is_last: bool


def is_of_level(line: LogLine, least: str) -> bool:
    """Whether the level of a line is ``least`` or above; one that is not known is above all."""
    known = _LEVELS.get(line.level.upper(), logging.CRITICAL)
    return known >= _LEVELS.get(least.upper(), 0)


async def read(engine: Looks, run_id: str, wanted: LogSearch) -> Read:
    """Read the chunks of a window; runs on the engine's loop. ``RunNotFoundError`` if there is no
    such run, ``TaskNotFoundError`` if it has no such task or item.
    """
    store, start = engine.store, wanted.start
    asked = wanted_lines(run_id, wanted.task, wanted.attempt, 0, 1)
    await lines_read(store, engine.reader, asked)  # refuses what is not there
    known = await by_ids(store, engine.reader, asked)
    item = known.item if isinstance(known.item, int) else None
    of = ChunkFilter(run_id, 0, known.task_id, known.attempt, _CHUNKS, item)
    if start is None:
        return await _read_back(store, of, wanted)
    chunks = await chunks_read(store, known._replace(after=max(start - 1, 0), limit=LOOKED_AT))
    is_last = sum(chunk.size for chunk in chunks) < LOOKED_AT
    is_first = not await store.log_chunks(of._replace(before=start, limit=1)) and (
        not chunks or chunks[0].position - chunks[0].size >= start - 1
    )
    return Read(wanted, chunks, is_first=is_first, is_last=is_last)


async def _read_back(store: Store, of: ChunkFilter, wanted: LogSearch) -> Read:
    """The chunks before a position; the first of them may hold it."""
    before = wanted.before
    chunks: list[LogChunk] = []  # newest first
    if before is not None:
        chunks = await store.log_chunks(of._replace(after=max(before - 1, 0), limit=1))
    end, looked_at, is_first = before or sys.maxsize, 0, False
    while looked_at < LOOKED_AT and len(chunks) < _MOST_CHUNKS and not is_first:
        page = await store.log_chunks(of._replace(before=end))
        chunks += page
        looked_at += sum(chunk.size for chunk in page)
        end = page[-1].position if page else end
        is_first = len(page) < _CHUNKS
    return Read(wanted, chunks[::-1], is_first=is_first, is_last=before is None)


def window(found: Read, said: Said, most: int = LINES) -> LogWindow:
    """The lines of a window; ``most`` of them."""
    wanted, chunks = found.wanted, found.chunks
    if not chunks:
        return LogWindow((), None, None, max((wanted.start or 1) - 1, (wanted.before or 1) - 1))
    begin = chunks[0].position - chunks[0].size
    reader = LineReader(0 if found.is_first else begin)
    lines = _marked(list(reader.lines(chunks)), _in_range(wanted))
    shown = [each for each in lines if wanted.has(each.line, said)]
    if wanted.start is None:
        return _ends_here(found, shown, begin, most)
    last = chunks[-1].position
    if len(shown) > most:
        shown, last = shown[:most], shown[most - 1].line.position
    is_last = found.is_last and last == chunks[-1].position
    older = None if found.is_first else wanted.start
    return LogWindow(tuple(shown), older, None if is_last else last + 1, last)


def window_of_lines(
    lines: Sequence[LogLine], wanted: LogSearch, after: int, said: Said
) -> LogWindow:
    """The window of further lines, which follow the position ``after``."""
    shown = [each for each in _marked(lines, lambda _: True) if wanted.has(each.line, said)]
    return LogWindow(tuple(shown), None, None, lines[-1].position if lines else after)


def _ends_here(found: Read, shown: list[WindowLine], begin: int, most: int) -> LogWindow:
    """The window of the last lines, or of those before a position."""
    before = found.wanted.before
    end = found.chunks[-1].position if before is None else before - 1
    older = None if found.is_first else begin + 1
    if len(shown) > most:
        shown = shown[-most:]
        older = shown[0].line.position
    return LogWindow(tuple(shown), older, before, end)


def _in_range(wanted: LogSearch) -> Callable[[LogLine], bool]:
    first, end = wanted.start or 0, wanted.before or sys.maxsize
    return lambda line: first <= line.position < end


def _marked(lines: Sequence[LogLine], is_wanted: Callable[[LogLine], bool]) -> list[WindowLine]:
    """The lines that are wanted, each with whether its attempt counts anew."""
    last: dict[tuple[str, int | None, int], int] = {}
    found = []
    for line in lines:
        key = (line.task_id, line.item, line.attempt)
        again = line.number <= last.get(key, 0)
        last[key] = line.number
        if is_wanted(line):
            found.append(WindowLine(line, again))
    return found


def joined(one: LogWindow, more: LogWindow, wanted: LogSearch, most: int = LINES) -> LogWindow:
    """A window with what a further read has found beyond it, ``most`` lines of them."""
    if wanted.start is None:
        lines = (*more.lines, *one.lines)
        if len(lines) > most:
            lines = lines[-most:]
            return LogWindow(lines, lines[0].line.position, one.newer, one.end)
        return LogWindow(lines, more.older, one.newer, one.end)
    lines = (*one.lines, *more.lines)
    if len(lines) > most:
        last = lines[most - 1].line.position
        return LogWindow(lines[:most], one.older, last + 1, last)
    return LogWindow(lines, one.older, more.newer, more.end)
