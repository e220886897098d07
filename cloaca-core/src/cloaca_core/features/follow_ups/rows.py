"""Builds the rows of runs that follow the end of one of ours. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.follow_ups.records import NewFollowUp
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunEnd


def follow_up_rows(run: ActiveRun, end: RunEnd, new_id: Callable[[], str]) -> list[NewFollowUp]:
    """The runs that the workflow of a run asks for after this end, and after a cancel: the commit
    may find that the run is to be cancelled, and writes that end instead.
    """
    ends = (end.status, RunStatus.CANCELLED)
    return [
        NewFollowUp(new_id(), run.id, row.place, row.status, row.submits, row.content)
        for row in run.graph.when_ended
        if row.status in ends
    ]
