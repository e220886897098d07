"""Builds the rows of child runs' ends, and finds in memos which ends a body has heard of. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.child_runs.records import TOLD_ENDS, ToldEnd
from cloaca_core.store.batch import NO_ROWS
from cloaca_core.values.waits import RUN, end_name, run_of_end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloaca_core.features.steps.records import MemoRow
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.store.batch import Rows


def told_end_rows(run: ActiveRun) -> Rows:
    """The message of the end of a run, if its parent may wait for that."""
    return TOLD_ENDS.rows((ToldEnd(run.id),)) if run.row.child_kind is not None else NO_ROWS


def awaited_end(run_id: str, number: int, attempt: int, memos: Iterable[MemoRow]) -> str:
    """The name of the end of a child for which a body waits: of the round of which this attempt has
    heard first, as a body that runs again gets what it got before; else of this one, in which the
    child is.
    """
    heard = [
        memo.name
        for memo in memos
        if memo.kind == RUN and memo.attempt == attempt and run_of_end(memo.name) == run_id
    ]
    return min(heard, key=lambda name: (len(name), name), default=end_name(run_id, number))
