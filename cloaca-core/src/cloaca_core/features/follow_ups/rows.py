"""Builds the rows of runs that follow the end of a run of ours. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.follow_ups.records import FOLLOW_UPS, NewFollowUp
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunEnd
    from cloaca_core.store.batch import Rows


def follow_up_rows(new_id: Callable[[], str], run: ActiveRun, end: RunEnd) -> Rows:
    """The runs that the workflow of a run submits after this end, and after a cancel: the commit
    may find that the run is to be cancelled, and writes that end instead. ``new_id`` makes their
    ids.
    """
    ends = (end.status, RunStatus.CANCELLED)
    rows = [
        NewFollowUp(new_id(), run.id, row.place, row.status, row.submits, row.content)
        for row in run.graph.when_ended
        if row.status in ends
    ]
    return FOLLOW_UPS.rows(rows)
