"""The deadline of a run: the end of its own time limit, or of that of the run that submitted it.

Pure. Times are wall time in µs, so that every owner of the run computes the same deadline.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from cloaca_core.records.runs import RunRow
from cloaca_core.values.no_limit import NoLimit
from cloaca_core.values.time_limits import TimeLimit, limit_of_row


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
    began = row.started_at + stood_still
    own = _deadline(began, _limit(row, workflow_limit, runner_limit))
    if row.deadline_at is None:
        return own
    parents = row.deadline_at + stood_still - row.stood_still
    if own is not None and own.at <= parents:
        return own
    return Deadline(parents, max(0.0, (parents - began) / 1e6), inherited=True)


def _limit(
    row: RunRow, workflow_limit: TimeLimit | None, runner_limit: float | None
) -> float | None:
    """The run's own limit in seconds, None for none."""
    given = (limit_of_row(row.time_limit), workflow_limit, runner_limit)
    limit = next((each for each in given if each is not None), None)
    return None if isinstance(limit, NoLimit) else limit


def _deadline(began: int, seconds: float | None) -> Deadline | None:
    if seconds is None:
        return None
    return Deadline(began + math.ceil(seconds * 1e6), seconds)
