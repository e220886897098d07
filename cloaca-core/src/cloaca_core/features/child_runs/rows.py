"""Builds the rows of child runs' ends, and finds in memos which ends a body has heard of. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.submit.request import owned_row
from cloaca_core.features.child_runs.records import (
    FAILED_PARENTS,
    TOLD_ENDS,
    FailedParent,
    ToldEnd,
)
from cloaca_core.run.rows import NewRun
from cloaca_core.store.batch import NO_ROWS
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.child_kinds import NODE
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import RUN, end_name, run_of_end

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloaca_core.features.child_runs.records import NodeChild
    from cloaca_core.features.steps.records import MemoRow
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunEnd, RunRow
    from cloaca_core.store.batch import Rows


def told_end_rows(run: ActiveRun) -> Rows:
    """The message of the end of a run, if its parent may wait for that."""
    return TOLD_ENDS.rows((ToldEnd(run.id),)) if run.row.child_kind is not None else NO_ROWS


def failed_parent_rows(run: ActiveRun, end: RunEnd) -> Rows:
    """The mark of a run that fails, if it may have waited for children."""
    if run.awaits_children and end.status == RunStatus.FAILED:
        return FAILED_PARENTS.rows((FailedParent(run.id),))
    return NO_ROWS


def row_of_child(child: NodeChild) -> RunRow:
    """The row of a child that this runner owns from its insert."""
    run = NewRun(
        child.id,
        child.workflow,
        child.version,
        child.input,
        child.tags,
        child.idempotency_key,
        child.run_id,
        child.owner,
        child.created_at,
        child.priority,
        time_limit=child.time_limit,
        deadline_at=child.deadline_at,
        trace=child.trace,
        child_kind=NODE,
        queue=child.queue,
        asked_queue=child.asked_queue,
    )
    return owned_row(run)


def message_of_end(row: RunRow) -> MessageRow:
    """The message of the end of this child, as the table has it: without a number."""
    assert row.parent_id is not None, "it is a child"
    assert row.ended_at is not None, "it has ended"
    return MessageRow(
        run_id=row.parent_id,
        number=0,
        id=f"{row.id}:{row.round}",
        kind=RUN,
        name=end_name(row.id, row.round),
        payload=f'{{"round":{row.round},"status":"{row.status}"}}',
        dedupe_key=None,
        sent_by=None,
        sent_at=row.ended_at,
        taken_by=None,
    )


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
