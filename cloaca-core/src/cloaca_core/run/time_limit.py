"""The time limit of a run: its own, or the limit of the run that submitted it. Pure.

Times are wall time in µs, so that every owner of the run computes the same deadline. The limit does
not count while the run is paused or rests. (A run rests while everything that is left of it waits
for sleeps, events or approvals.) The database counts pauses itself, and learns of a rest when the
run is given back.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from cloaca_core.run.rows import RunRow
from cloaca_core.values.times.no_limit import NoLimit
from cloaca_core.values.times.time_limits import TimeLimit, limit_of_row


class Deadline(NamedTuple):
    """``at`` is an instant, ``seconds`` the time that the run may take until then. ``inherited``
    says that it is the parent's deadline, which is earlier than the run's own.
    """

    at: int
    seconds: float
    inherited: bool = False


def deadline_of(
    row: RunRow, stood_still: int, workflow_limit: TimeLimit | None, runner_limit: float | None
) -> Deadline | None:
    """The deadline of a run that has started: by the limit that it was submitted with, else by its
    workflow's limit, else by its runner's; None without a limit. The parent's deadline holds if
    that is earlier.

    Neither counts the ``stood_still`` µs in which the run was paused. The row has the parent's
    deadline as of when the row was read: the end of a pause moves it.
    """
    if row.started_at is None:
        return None
    limit: TimeLimit | None = runner_limit
    if row.time_limit is not None:
        limit = limit_of_row(row.time_limit)
    elif workflow_limit is not None:
        limit = workflow_limit
    began = row.started_at + stood_still
    own: Deadline | None = None
    if limit is not None and not isinstance(limit, NoLimit):
        own = Deadline(began + math.ceil(limit * 1e6), limit)
    if row.deadline_at is None:
        return own
    parents = row.deadline_at + stood_still - row.stood_still
    if own is not None and own.at <= parents:
        return own
    return Deadline(parents, max(0.0, (parents - began) / 1e6), inherited=True)


class LimitClock:
    """Counts for how long a limit did not count, and computes when it passes.

    ``deadline`` is None before it is set, and without a limit. ``stood_still`` is the total time in
    which the limit did not count, ``_rested`` the part of it that the database does not know.
    ``_paused_at`` and ``_rests_since`` are set while the limit does not count: when that began.
    """

    __slots__ = ("_paused_at", "_rested", "_rests_since", "deadline", "stood_still")

    def __init__(self, stood_still: int) -> None:
        self.deadline: Deadline | None = None
        self.stood_still: int = stood_still
        self._rested: int = 0
        self._paused_at: int | None = None
        self._rests_since: int | None = None

    def stop(self, now: int) -> None:
        """Stop the clock: the run is to be paused. The database counts the pause from a moment
        before, which may have been counted as a rest here already.
        """
        self._count_rest(now)
        self._paused_at = now

    def rest(self, now: int) -> None:
        """Stop the clock: the run rests."""
        self._rests_since = now

    def go_on(self, now: int) -> None:
        """Restart the clock."""
        self._count_rest(now)
        if self._paused_at is not None:
            self.stood_still += max(0, now - self._paused_at)
            self._paused_at = None

    def set_deadline(self, row: RunRow, workflow: TimeLimit | None, runner: float | None) -> None:
        """Compute the deadline of the run, by the limits of its row, workflow and runner."""
        self.deadline = deadline_of(row, self.stood_still, workflow, runner)

    def spent(self, row: RunRow, now: int) -> float:
        """Seconds since the run was started, without the time in which the limit did not count. By
        wall time, which may step back.
        """
        if row.started_at is None:
            return 0.0
        return max(0.0, (now - row.started_at - self.stood_still) / 1e6)

    def rested(self, now: int) -> int:
        """The time for which the run has rested and of which the database does not know."""
        since = now if self._rests_since is None else self._rests_since
        return self._rested + max(0, now - since)

    def _count_rest(self, now: int) -> None:
        if self._rests_since is not None:
            rested = max(0, now - self._rests_since)
            self.stood_still += rested
            self._rested += rested
            self._rests_since = None
