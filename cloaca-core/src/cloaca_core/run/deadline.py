"""The deadline of a run: the end of its own time limit, or of that of the run that submitted it.

Pure. Times are wall time in µs, so that every owner of the run computes the same deadline.
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
