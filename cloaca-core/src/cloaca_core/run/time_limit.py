"""The time limit of a run: its own, or that of the run that submitted it. Pure.

Times are wall time in µs, so that every owner of the run computes the same deadline. The limit
stands still while the run is paused or rests. The table counts a pause, and learns of a rest when
the run is given back.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from cloaca_core.run.rows import RunRow
from cloaca_core.values.times.no_limit import NoLimit
from cloaca_core.values.times.time_limits import TimeLimit, limit_of_row


class Deadline(NamedTuple):
    """``at`` is an instant, ``seconds`` how long the run may take until then. ``inherited`` says
    that it is the deadline of the parent, which is earlier than its own.
    """

    at: int
    seconds: float
    inherited: bool = False


def deadline_of(
    row: RunRow, stood_still: int, workflow_limit: TimeLimit | None, runner_limit: float | None
) -> Deadline | None:
    """The deadline of a run that has started, by the limit that it was submitted with, else that
    of its workflow, else that of its runner; None without a limit. The parent's holds if that is
    earlier.

    Neither counts the ``stood_still`` µs in which the run was paused. The row has the parent's as
    it stood when the row was read: the end of a pause moves it on.
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
    """Tells for how long a limit has stood still, and when it passes.

    ``deadline`` is None before it is set, and without a limit. ``stood_still`` is for how long
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
