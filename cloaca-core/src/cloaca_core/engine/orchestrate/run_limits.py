"""Timers for the time limits of runs. ``run/time_limit`` counts the time in which a limit does not
count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.runtime.deadlines import Deadlines
from cloaca_core.engine.runtime.store_clock import seconds_early

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.time_limit import Deadline
    from cloaca_core.values.times.clock import Clock


class RunLimits:
    """Belongs to the engine's loop. ``usual`` is the limit in seconds of a run without its own,
    None for no limit. ``passed`` is called with each run whose limit passes.
    """

    def __init__(
        self,
        clock: Clock,
        usual: float | None,
        passed: Callable[[ActiveRun, Deadline], None],
    ) -> None:
        self._clock = clock
        self._usual = usual
        self._passed = passed
        self._timers = Deadlines(self._time_is_up)
        self.forget: Callable[[ActiveRun], None] = self._timers.discard
        """The run has ended, or this runner no longer owns it."""

    def start(self, run: ActiveRun) -> None:
        """Start the timer of a run that this runner has adopted. A new run has its whole time."""
        limit, row = run.limit, run.row
        is_new = row.epoch <= 1 and limit.deadline is None
        limit.set_deadline(row, run.graph.time_limit, self._usual)
        if limit.deadline is None:
            return
        left = limit.deadline.seconds
        if not is_new:
            left -= limit.spent(row, self._clock.wall())
        if left > 0:
            self._timers.add(run, left)
        else:
            self._passed(run, limit.deadline)

    def stop(self, run: ActiveRun) -> None:
        """Stop the clock of the limit: the run is to be paused or cancelled."""
        run.limit.stop(self._clock.wall())
        self._timers.discard(run)

    def rest(self, run: ActiveRun) -> None:
        """Stop the clock of the limit: the run rests."""
        run.limit.rest(self._clock.wall())
        self._timers.discard(run)

    def go_on(self, run: ActiveRun) -> None:
        """Restart the clock of the limit."""
        run.limit.go_on(self._clock.wall())
        self.start(run)

    def _time_is_up(self, run: ActiveRun) -> None:
        """The timer of a run has ended. End the run, unless its deadline is still ahead."""
        assert run.limit.deadline is not None
        if early := seconds_early(self._clock, run.limit.deadline.at):
            self._timers.add(run, early)
        else:
            self._passed(run, run.limit.deadline)
