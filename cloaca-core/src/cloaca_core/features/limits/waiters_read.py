"""The waiters of limits that a decision has read, and where unread ones can be at best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from cloaca_core.features.limits.records import ALL_KEYS, Line, Need, Waiter

Place: TypeAlias = tuple[int, int, str, str, int]
"""Where a waiter stands in an order; the lowest is the first."""
LAST: Final[Place] = (2**62, 0, "", "", 0)


class FirstWaiters(NamedTuple):
    """The first waiters of lines of a limit, by rank or by age: ``depth`` of each of ``lines``, and
    of the first ``most`` lines with keys that have places.
    """

    name: str
    lines: Sequence[Need]
    most: int
    depth: int
    by_age: bool


class Reads(NamedTuple):
    """What the decision has to know: rows of ``lines``, and waiters."""

    lines: Sequence[Need] = ()
    waiters: Sequence[FirstWaiters] = ()


LinesRead: TypeAlias = Sequence[tuple[Line, Sequence[Waiter]]]
"""The lines that a read of waiters found, each once, with the waiters in their order. Lines with
keys come in the order by which they were chosen.
"""


class Found(NamedTuple):
    """The answers to ``Reads``: the rows that exist, and one answer for each read of waiters."""

    lines: Sequence[Line] = ()
    waiters: Sequence[LinesRead] = ()


class WaitersRead:
    """What is known of the lines of one limit, in each of the two orders. The rows of the lines in
    ``freed`` do not say yet that their keys have places. Waiters may stand in lines of keys also
    where keys have no bounds any more.
    """

    def __init__(self, name: str, freed: Sequence[Need]) -> None:
        self.name = name
        self._single = [(name, ALL_KEYS), *freed]
        self._asked = {False: 0, True: 0}
        self._unread: dict[bool, dict[Need | None, Place]] = {False: {}, True: {}}

    def covers(self, best: Place, is_open: Callable[[Need], bool], *, by_age: bool) -> bool:
        """Whether each waiter that was not read comes after this place."""
        if not self._asked[by_age]:
            return False
        unread = self._unread[by_age].items()
        return all(best < place for line, place in unread if line is None or is_open(line))

    def read(self, expected: int, *, by_age: bool) -> FirstWaiters:
        """Read for the first time, or twice as far as before."""
        most = self._asked[by_age] = max(expected, 2 * self._asked[by_age])
        return FirstWaiters(self.name, self._single, most, most, by_age)

    def learn(self, read: FirstWaiters, rows: LinesRead) -> None:
        """Note where unread waiters can be at best."""
        by_age = read.by_age
        unread = self._unread[by_age]
        unread.pop(None, None)
        for line, waiters in rows:
            unread.pop(line.need, None)
            if len(waiters) == read.depth:
                unread[line.need] = place_of(waiters[-1], by_age=by_age)
        chosen = [line for line, _ in rows if line.is_open]
        if read.most and len(chosen) == read.most:
            last = chosen[-1]
            since = last.oldest_at if by_age else last.first_at
            rank = 0 if by_age else last.first_rank
            unread[None] = (rank or 0, since or 0, "", "", -2)


def place_of(waiter: Waiter, *, by_age: bool) -> Place:
    return (0 if by_age else waiter.rank, waiter.since, *waiter.unit)
