"""Gives runs back that wait for their next attempt: a run that waits is in no runner's memory.

One that is due soon stays, and keeps its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from cloaca_core.logs import SafeLogger
from cloaca_core.records.runs import Park
from cloaca_core.records.states import TaskStatus
from cloaca_core.values.instants import SECOND, instant_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core._engine.orchestrate.launcher import Launcher
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core.values.clock import Clock

log = SafeLogger("cloaca.engine")

LINGER: Final = 5 * SECOND
"""µs; a run that is due within them is not worth two commits and a claim."""


class ParkingCourse(Protocol):
    """The step of a run that waits; the orchestrator takes it."""

    def park(self, run: ActiveRun, park: Park) -> None:
        """Have a run given back, and forget it when that is durable."""


class WaitingRuns:
    """Belongs to the engine's loop. ``store_clock`` is the clock by which runs come due."""

    def __init__(
        self,
        launcher: Launcher,
        clock: Clock,
        store_clock: Callable[[], int],
        course: ParkingCourse,
    ) -> None:
        self._launcher = launcher
        self._clock = clock
        self._store_clock = store_clock
        self._course = course

    def settle(self, run: ActiveRun) -> None:
        """Park a run of which nothing can go on for a while."""
        if run.over or run.parked or run.wish is not None:
            return
        due = self._launcher.back_offs.due(run)
        ready = [i for i, status in enumerate(run.plan.statuses) if status is TaskStatus.READY]
        if not due or len(due) < len(ready):  # others run, or their start is on its way
            return
        due_at = min(due.values())
        if run.deadline is not None:
            due_at = min(due_at, run.deadline.at)
        now = self._clock.wall()
        if (delay := due_at - now) <= LINGER:
            return
        run.parked = True
        self._launcher.hold(run)
        ids = {"run_id": run.id, "workflow": run.row.workflow}
        log.info("run %s waits until %s", run.id, instant_text(due_at), extra=ids)
        parked_at = self._store_clock()
        self._course.park(run, Park(run.id, parked_at + delay, parked_at))
