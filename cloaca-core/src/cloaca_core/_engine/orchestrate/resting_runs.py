"""Tells which runs rest: all that is left of them waits for sleeps, events and approvals. The time
limit of a run stands still while it rests.

The table learns of a rest when the run is given back. If the runner dies before, that time counts
for the limit. It is ``evict_after_seconds`` at most if the bodies can leave while they wait, and
the whole wait if another thread or task of a body waits.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from cloaca_core.records.states import TaskStatus

if TYPE_CHECKING:
    from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core._engine.orchestrate.failures import Failures
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core._engine.plan.open_waits import OpenWaits


class RestingRuns:
    """Belongs to the engine's loop."""

    def __init__(self, runs: ActiveRuns, failures: Failures) -> None:
        self._runs = runs
        self._failures = failures

    def look(self, run: ActiveRun) -> None:
        """Stop the time limit of a run that rests, and let that of any other go on. A run that is
        steered or given back is left as it is.
        """
        if run.over or run.parked or run.wish is not None:
            return
        if run.waits is not None and self._rests(run, run.waits):
            self._failures.rest(run)
        else:
            self._failures.go_on(run)

    def _rests(self, run: ActiveRun, waits: OpenWaits) -> bool:
        """Whether each task that has begun, or is to begin, is a node or a body that waits. A retry
        that waits for its time does not.
        """
        if waits.is_ending():
            return False
        ready = {i for i, status in enumerate(run.plan.statuses) if status is TaskStatus.READY}
        return bool(ready) and ready <= waits.resting() | self._bodies_that_wait(run, waits)

    def _bodies_that_wait(self, run: ActiveRun, waits: OpenWaits) -> set[int]:
        """The tasks whose bodies are here and wait for nothing else, as a child run would be."""
        attended = Counter(wait.key.task for wait in waits if wait.attended)
        return {
            attempt.index
            for attempt in self._runs.attempts(run)
            if attempt.waits and attempt.waits == attended[attempt.index]
        }
