"""For how long the time limit of a run has stood still, and when it passes. Pure; times in µs.

It stands still while the run is paused or rests. The table counts a pause, and learns of a rest
when the run is given back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.run.deadline import deadline_of

if TYPE_CHECKING:
    from cloaca_core.run.deadline import Deadline
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.times.time_limits import TimeLimit


class LimitClock:
    """``deadline`` is None before it is set, and without a limit. ``stood_still`` is for how long
    the limit has stood still in all, ``_rested`` the part of that which the table does not know.
    ``_paused_at`` and ``_rests_since`` say since when it does so now.
    """

    __slots__ = ("_paused_at", "_rested", "_rests_since", "deadline", "stood_still")

    def __init__(self, stood_still: int) -> None:
        self.deadline: Deadline | None = None
        self.stood_still: int = stood_still
        self._rested: int = 0
        self._paused_at: int | None = None
        self._rests_since: int | None = None

    def stop(self, now: int) -> None:
        """The run is to be paused. The table counts from a moment before, which a rest may have
        counted already.
        """
        self._count_rest(now)
        self._paused_at = now

    def rest(self, now: int) -> None:
        """The run rests."""
        self._rests_since = now

    def go_on(self, now: int) -> None:
        """The limit stands still no more."""
        self._count_rest(now)
        if self._paused_at is not None:
            self.stood_still += max(0, now - self._paused_at)
            self._paused_at = None

    def set_deadline(self, row: RunRow, workflow: TimeLimit | None, runner: float | None) -> None:
        """Compute when the run must have ended, by the limits of its row, workflow and runner."""
        self.deadline = deadline_of(row, self.stood_still, workflow, runner)

    def spent(self, row: RunRow, now: int) -> float:
        """Seconds since the run was started, but for those in which the limit stood still; by the
        clock on the wall, which may step back.
        """
        if row.started_at is None:
            return 0.0
        return max(0.0, (now - row.started_at - self.stood_still) / 1e6)

    def rested(self, now: int) -> int:
        """For how long the run has rested of which the table does not know."""
        since = now if self._rests_since is None else self._rests_since
        return self._rested + max(0, now - since)

    def _count_rest(self, now: int) -> None:
        if self._rests_since is not None:
            rested = max(0, now - self._rests_since)
            self.stood_still += rested
            self._rested += rested
            self._rests_since = None
