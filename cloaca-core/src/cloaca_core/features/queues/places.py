"""Counts the runs that have ready work here of a queue for which this runner has a number.

A run counts while a task of it that asks for the queue was let begin here, has not ended and does
not wait for its next attempt or outside of memory, unless all its bodies wait. When one goes on,
its run counts again, also beyond the number: the body is in memory. A child for which a body here
waits is let in by right.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from cloaca_core.run.items.units import TASK
from cloaca_core.values.states import TaskStatus

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.orchestrate.served import Served
    from cloaca_core.run.active_run import ActiveRun


class Places:
    """Belongs to the engine's loop. ``freed`` is called with a queue that was full and is not any
    more.
    """

    def __init__(self, served: Served, runs: ActiveRuns, freed: Callable[[str], None]) -> None:
        self._served = served
        self._runs = runs
        self._freed = freed
        self._numbers = {name: most for name, most in (served.given or {}).items() if most}
        self._holders: dict[str, set[ActiveRun]] = {name: set() for name in self._numbers}
        self._full: set[str] = set()
        served.room = self.room

    def room(self, queue: str) -> int:
        """For how many more runs of this queue there is room."""
        if queue not in self._numbers:
            return 0
        count = sum(not self._only_waits(run) for run in self._holders[queue])
        return max(0, self._numbers[queue] - count)

    def _only_waits(self, run: ActiveRun) -> bool:
        return run.life.rests or self._runs.only_waits(run)

    def take(self, run: ActiveRun, queue: str) -> bool:
        """Let a run have ready work of a queue here; false if the queue is full."""
        if (holders := self._holders.get(queue)) is None or run in holders:
            return True
        if not (self.room(queue) or run.depth):
            return False
        holders.add(run)
        self.look()
        return True

    def settle(self, run: ActiveRun, waiting: Collection[int]) -> None:
        """The run counts no more for queues of which nothing is ready, or only tasks that wait:
        these come to the gates again.
        """
        held = [queue for queue, holders in self._holders.items() if run in holders]
        if not held or (route := run.route) is None:
            return
        units = {i for i, status in enumerate(run.plan.statuses) if status is TaskStatus.READY}
        if run.maps is not None:
            units = run.maps.units(units)
        begun = units - route.elsewhere.keys() - set(waiting)
        ready = {route.queues[unit & TASK] for unit in begun}
        for queue in held:
            if queue not in ready:
                self._holders[queue].discard(run)
        self.look()

    def leave(self, run: ActiveRun) -> None:
        """A run is not here any more."""
        for holders in self._holders.values():
            holders.discard(run)
        self.look()

    def look(self) -> None:
        """Find out which queues are full now, and call ``freed`` for each that was full before:
        bodies may have begun to wait for other runs.
        """
        full = {queue for queue in self._numbers if not self.room(queue)}
        freed, self._full = self._full - full, full
        self._served.refresh()
        for queue in sorted(freed):
            self._freed(queue)
