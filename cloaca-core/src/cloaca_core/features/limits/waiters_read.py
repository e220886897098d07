"""The waiters of limits that a decision has read, and where unread ones can be at best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from cloaca_core.features.limits.records import Line, Need, Position, Waiter

Place: TypeAlias = tuple[int, int, str, str, int]
"""Where a waiter stands in an order; the lowest is the first."""
LAST: Final[Place] = (2**62, 0, "", "", 0)


class FirstWaiters(NamedTuple):
    """The first waiters of lines of a limit, by rank or by age: ``depth`` of each of ``lines``, and
    of the first ``most`` lines with keys that have places. None of these comes before ``start``.
    """

    name: str
    lines: Sequence[Need]
    start: Position
    most: int
    depth: int
    by_age: bool


class Reads(NamedTuple):
    """What the decision has to know: rows of ``lines``, and waiters."""

    lines: Sequence[Need] = ()
    waiters: Sequence[FirstWaiters] = ()


LinesRead: TypeAlias = Sequence[tuple[Line, Sequence[Waiter]]]
"""The lines that a read of waiters found, each once, with the waiters in their order."""


class Found(NamedTuple):
    """The answers to ``Reads``: the rows that exist, and one answer for each read of waiters."""

    lines: Sequence[Line] = ()
    waiters: Sequence[LinesRead] = ()


class WaitersRead:
    """What is known of the lines of one limit, in each of the two orders. The rows of the lines in
    ``freed`` do not say yet that their keys have places. Of the lines in ``complete`` all waiters
    were read.
    """

    def __init__(self, name: str, freed: Sequence[Need]) -> None:
        self.name = name
        self.freed = freed
        self.complete: set[Need] = set()
        self._asked = {False: 0, True: 0}
        self._unread: dict[bool, dict[Need, Place]] = {False: {}, True: {}}
        self._unread_lines: dict[bool, Position | None] = {}

    def unread_lines(self, whole: Line, *, by_age: bool) -> Position | None:
        """Where the first open line that was not read stands at best; None if there is none."""
        known = whole.keys_first_by_age if by_age else whole.keys_first
        return self._unread_lines.get(by_age, known)

    def asked(self, *, by_age: bool) -> bool:
        """Whether it was read in this order."""
        return self._asked[by_age] > 0

    def covers(self, best: Place, is_open: Callable[[Need], bool], *, by_age: bool) -> bool:
        """Whether each waiter that was not read comes after this place."""
        if not self._asked[by_age]:
            return False
        if (start := self._unread_lines[by_age]) is not None and best[:2] >= start:
            return False
        unread = self._unread[by_age].items()
        return all(best <= place for line, place in unread if is_open(line))

    def read(self, whole: Line, expected: int, *, by_age: bool) -> FirstWaiters:
        """Read for the first time, or twice as far as before."""
        depth = self._asked[by_age] = max(expected, 2 * self._asked[by_age])
        start = whole.keys_first_by_age if by_age else whole.keys_first
        most = 0 if start is None else depth
        lines = [whole.need, *self.freed]
        return FirstWaiters(self.name, lines, start or (0, 0), most, depth, by_age)

    def learn(self, read: FirstWaiters, rows: LinesRead) -> None:
        """Note where unread waiters can be at best."""
        unread = self._unread[read.by_age]
        for line, waiters in rows:
            unread.pop(line.need, None)
            if len(waiters) < read.depth:
                self.complete.add(line.need)
            else:
                unread[line.need] = place_of(waiters[-1], by_age=read.by_age)
        starts = [start_of(line, by_age=read.by_age) for line, _ in rows if line.is_open]
        chosen = sorted([each for each in starts if each is not None])
        has_more = 0 < read.most <= len(chosen)
        self._unread_lines[read.by_age] = chosen[read.most - 1] if has_more else None


def place_of(waiter: Waiter, *, by_age: bool) -> Place:
    return (0 if by_age else waiter.rank, waiter.since, *waiter.unit)


def start_of(line: Line, *, by_age: bool) -> Position | None:
    """Where the first waiter of a line stands, at best."""
    return line.oldest if by_age else line.first
