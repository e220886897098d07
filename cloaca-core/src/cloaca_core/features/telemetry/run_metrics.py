"""Counts what a runner does, as long as a program asks for metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.features.telemetry.tallies import COMMITS, DELAYS, DURATIONS, Count, Distribution
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.namespace import short_name
from cloaca_core.values.states import TaskStatus, TickOutcome
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.run.watcher import DecidedTick, Recorded, WatchedRun

_ENDS: Final = frozenset((TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED))


class RunMetrics:
    """A ``Watcher``. All but the commits are counted by the short name of the workflow, attempts
    also by their task: never by ids, which would be numbers without end. Attempts of the items of a
    map are counted apart from those of tasks.
    """

    def __init__(self) -> None:
        self.runs: Count = Count()
        self.run_seconds: Distribution = Distribution(DURATIONS)
        self.attempts: Count = Count()
        self.task_seconds: Distribution = Distribution(DURATIONS)
        self.items: Count = Count()
        self.item_seconds: Distribution = Distribution(DURATIONS)
        self.schedule_to_start: Distribution = Distribution(DELAYS)
        self.commit_seconds: Distribution = Distribution(COMMITS)
        self.tick_lag: Distribution = Distribution(DELAYS)

    def adopted(self, run: WatchedRun) -> None:
        """Count nothing: a run counts when it ends."""

    def recorded(self, recorded: Recorded) -> None:
        """Count the attempts and the run that have ended."""
        run, end = recorded.run, recorded.end
        workflow = short_name(run.row.workflow)
        for row in recorded.attempts:
            if row.status in _ENDS and row.attempt > 0:
                self._count(workflow, run, row)
        if end is not None:
            self.runs.add((workflow, str(end.status)))
            if run.row.started_at is not None:
                seconds = (end.ended_at - run.row.started_at) / SECOND
                self.run_seconds.add((workflow,), seconds)

    def _count(self, workflow: str, run: WatchedRun, row: AttemptRow) -> None:
        is_item = row.item != THE_TASK
        counts, times = self.attempts, self.task_seconds
        if is_item:
            counts, times = self.items, self.item_seconds
        counts.add((workflow, row.task_id, str(row.status)))
        if row.started_at is None or row.ended_at is None:
            return
        times.add((workflow, row.task_id), (row.ended_at - row.started_at) / SECOND)
        if is_item:
            return
        if row.attempt == 1 and (ready_at := run.ready_at(row.task_id)) is not None:
            self.schedule_to_start.add((workflow,), (row.started_at - ready_at) / SECOND)

    def ticked(self, ticks: Sequence[DecidedTick], now: int) -> None:
        """Count how late ticks were, without ticks that were caught up or back-filled."""
        for tick in ticks:
            if tick.outcome == TickOutcome.FIRED:
                self.tick_lag.add((short_name(tick.workflow),), (now - tick.tick) / SECOND)

    def committed(self, seconds: float) -> None:
        """Count a commit."""
        self.commit_seconds.add((), seconds)
