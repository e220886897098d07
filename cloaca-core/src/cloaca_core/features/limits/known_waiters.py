"""The waiters that a decision on places knows, found in their orders without looking at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from heapq import heappop, heappush
from typing import TypeAlias

from cloaca_core.features.limits.records import Need, Unit, Waiter
from cloaca_core.features.limits.waiters_read import Place

Head: TypeAlias = tuple[Place, Waiter, Need | None]
"""The first waiter of a line: its place in the order that was asked for, itself, and the line."""
_Known: TypeAlias = tuple[Waiter, Need | None, str, Place]
"""A waiter, its line, the name of the limit for which it counts, and its place by rank."""


class KnownWaiters:
    """Each stands in a line, or in none at first: then it counts for the first of its limits.

    For each of these ``_heaps`` has the places of its waiters by rank, also of those of ``own``, a
    runner, alone. ``_ages`` has them by age, of limits that were asked for so: few decisions reach
    a place that goes to the oldest. The places of waiters that have left or moved are dropped as
    they come to the head.
    """

    def __init__(self, own: str | None) -> None:
        self._own = own
        self._of: dict[Unit, _Known] = {}
        self._heaps: dict[tuple[str, Need | None, bool], list[Place]] = {}
        self._ages: dict[str, dict[Need | None, list[Place]]] = {}
        self._lines: dict[str, dict[Need | None, None]] = defaultdict(dict)
        self._counts: Counter[str] = Counter()

    def __iter__(self) -> Iterator[tuple[Waiter, Need | None]]:
        """All of them, with their lines."""
        return ((waiter, line) for waiter, line, _, _ in self._of.values())

    def put(self, waiter: Waiter, line: Need | None) -> None:
        """A waiter stands in this line from now on."""
        unit = waiter.unit
        self.remove(unit)
        name = waiter.needs[0][0] if line is None else line[0]
        place = waiter.rank, waiter.since, *unit
        self._of[unit] = waiter, line, name, place
        self._counts[name] += 1
        self._lines[name][line] = None
        heappush(self._heaps.setdefault((name, line, False), []), place)
        if waiter.runner_id == self._own:
            heappush(self._heaps.setdefault((name, line, True), []), place)
        if (ages := self._ages.get(name)) is not None:
            heappush(ages.setdefault(line, []), (0, *place[1:]))

    def remove(self, unit: Unit) -> None:
        """A waiter stands in no line any more."""
        if (found := self._of.pop(unit, None)) is not None:
            self._counts[found[2]] -= 1

    def names(self) -> list[str]:
        """The limits of which waiters are known."""
        return [name for name, count in self._counts.items() if count]

    def lines(self, name: str) -> Collection[Need | None]:
        """The lines of a limit in which waiters may stand, None for those that stand in none."""
        return self._lines.get(name, {})

    def first(self, name: str, line: Need | None, *, own: bool = False) -> Head | None:
        """The first waiter in a line by rank, or of a runner's own ones."""
        if (heap := self._heaps.get((name, line, own))) is None:
            return None
        return self._head(heap, name, line, by_age=False)

    def oldest(self, name: str, line: Need | None) -> Head | None:
        """The waiter in a line that arrived first."""
        if (ages := self._ages.get(name)) is None:
            ages = self._ages[name] = {}
            for _, at, its_name, place in self._of.values():
                if its_name == name:
                    heappush(ages.setdefault(at, []), (0, *place[1:]))
        return self._head(ages.get(line, []), name, line, by_age=True)

    def _head(
        self, heap: list[Place], name: str, line: Need | None, *, by_age: bool
    ) -> Head | None:
        while heap:
            rank, since, run_id, task_id, item = place = heap[0]
            if (found := self._of.get((run_id, task_id, item))) is not None:
                waiter, stands_in, its_name, at = found
                is_here = stands_in == line and its_name == name and since == at[1]
                if is_here and (by_age or rank == at[0]):
                    return place, waiter, line
            heappop(heap)
        return None
