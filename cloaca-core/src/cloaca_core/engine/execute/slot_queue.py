"""Work that waits for a slot, in the order in which runs are claimed.

The run with the highest priority comes first; of equal ones, the run that has been claimable for
longest. Every tenth place goes to the run that has been claimable for longest, with any priority,
so that no work waits for ever. Of works in a line only the first one stands in the queue. Knows no
thread and no loop; its users take turns.
"""

from __future__ import annotations

from bisect import insort
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections import deque

    from cloaca_core.engine.execute.work import Line, Work

AGED_SHARE: Final = 10
"""Every tenth place goes to the run that has been claimable for longest, with any priority."""


class SlotQueue:
    """A heap for each priority in use. Taking work costs the logarithm of the queue's length, and
    every tenth time a look at each priority. ``works`` is all waiting work.
    """

    def __init__(self) -> None:
        self._heaps: dict[int, list[tuple[int, int, Work]]] = {}
        self._priorities: list[int] = []
        self.works: set[Work] = set()
        self._sharing = 0
        self._arrived = 0
        self._taken = 0

    def __len__(self) -> int:
        return len(self.works)

    def __contains__(self, work: Work) -> bool:
        return work in self.works

    @property
    def turns(self) -> int:
        """The number of turns for which work waits: the works of a line share one."""
        return len(self.works) - self._sharing

    def put(self, work: Work) -> None:
        """Add work. Work of one run keeps the order of its arrival."""
        self.works.add(work)
        if (line := work.line) is not None:
            self._sharing += line.waiting > 0
            line.waiting += 1
            if line.has_first:
                line.others.append(work)
                return
            line.has_first, work.since = True, line.now()
        heap = self._heaps.get(work.priority)
        if heap is None:
            heap = self._heaps[work.priority] = []
            insort(self._priorities, work.priority)
        self._arrived += 1
        heappush(heap, (work.since, self._arrived, work))

    def put_all(self, arrived: deque[Work]) -> None:
        """Add all work that has arrived, in its order. Other threads may append more meanwhile."""
        while arrived:
            self.put(arrived.popleft())

    def remove(self, work: Work) -> None:
        """Remove work that waits."""
        self.works.remove(work)
        if work.line is not None:
            self._leaves(work.line)

    def _leaves(self, line: Line) -> None:
        """A work of a line waits no more."""
        line.waiting -= 1
        self._sharing -= line.waiting > 0

    def take(self) -> Work | None:
        """Take the work whose turn it is; None when there is none."""
        while self._priorities:
            if len(self._priorities) == 1 and (
                len(heap := self._heaps[self._priorities[0]]) > 1 or heap[0][2].line is not None
            ):
                work = heappop(heap)[2]
            else:
                work = self._pop()
            if work.line is not None:
                self._go_on(work.line, work.priority)
            if work in self.works:
                self.works.remove(work)
                self._taken += 1
                if work.line is not None:
                    self._leaves(work.line)
                return work
        return None

    def _go_on(self, line: Line, priority: int) -> None:
        """The first work of a line was taken: the turn of the next one has come."""
        line.has_first = False
        while line.others:
            if (work := line.others.popleft()) in self.works:
                self._leaves(line)
                self.put(work)
                return
        if not self._heaps.get(priority, True):
            del self._heaps[priority]
            self._priorities.remove(priority)

    def _pop(self) -> Work:
        priority = self._priorities[-1]
        if self._taken % AGED_SHARE == AGED_SHARE - 1 and len(self._priorities) > 1:
            priority = min(self._priorities, key=lambda each: self._heaps[each][0])
        heap = self._heaps[priority]
        _, _, work = heappop(heap)
        if not heap:
            del self._heaps[priority]
            self._priorities.remove(priority)
        return work
