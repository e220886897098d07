"""Rows of waits in the journal: opened, timed out, or closed with the memo of how they ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.features.steps.records import MEMOS, MemoRow
from cloaca_core.features.waits.open_waits import WaitKey, waits_of
from cloaca_core.features.waits.records import (
    CLOSED,
    TIMEOUTS,
    WAITS,
    ClosedWait,
    WaitRow,
    WaitTimeout,
)
from cloaca_core.run.watcher import EndedWait
from cloaca_core.values.waits import APPROVAL, EVENT, SLEEP

if TYPE_CHECKING:
    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow


_KEY: Final = ClosedWait._fields.index("message")
"""How many fields are the key of a wait."""


class WaitRows(NamedTuple):
    """What one entry writes of waits. ``memos`` are those by which bodies know how waits ended."""

    opened: Sequence[WaitRow] = ()
    timeouts: Sequence[WaitTimeout] = ()
    closed: Sequence[ClosedWait] = ()
    memos: Sequence[MemoRow] = ()

    def add_to(self, draft: Draft) -> None:
        """Put them into a batch. In a transaction waits are closed before others open, so one that
        opens and ends in the same batch is left out.
        """
        if self.opened or self.closed:
            opened = draft.by_key(WAITS)
            for ended in self.closed:
                opened.pop(ended[:_KEY], None)
            for each in self.opened:
                opened[each[:_KEY]] = each
        draft.put(TIMEOUTS, self.timeouts)
        draft.put(CLOSED, self.closed)
        draft.put(MEMOS, self.memos)

    @property
    def weight(self) -> int:
        """About how many bytes they hold."""
        return WAITS.weight(self.opened) + MEMOS.weight(self.memos)

    def ended_waits(self, run: ActiveRun, attempts: Sequence[AttemptRow]) -> list[EndedWait]:
        """The waits that have come to their end, by a message or by time; not those that are closed
        because their task has ended.
        """
        found = [_of_node(row, self.closed) for row in attempts]
        found += [_of_body(run, place, self) for place in range(len(self.memos))]
        return [each for each in found if each is not None]


def _of_node(row: AttemptRow, closed: Sequence[ClosedWait]) -> EndedWait | None:
    for each in closed:
        if each.task_id == row.task_id and each.number == 0 and row.ended_at is not None:
            opened_at = row.ended_at if row.started_at is None else row.started_at
            by_message = each.message is not None
            return EndedWait(
                row.task_id,
                row.attempt,
                each.kind,
                each.name,
                0,
                opened_at,
                row.ended_at,
                by_message,
            )
    return None


def _of_body(run: ActiveRun, place: int, rows: WaitRows) -> EndedWait | None:
    memo, task = rows.memos[place], run.graph.position.get(rows.memos[place].task_id)
    waits = waits_of(run)
    if waits is None or task is None or memo.kind not in (SLEEP, EVENT, APPROVAL):
        return None
    wait = waits.get(WaitKey(task, memo.number, memo.kind, memo.name))
    if wait is None:
        return None
    by_message = any(
        each.message is not None and each.number == memo.number and each.name == memo.name
        for each in rows.closed
    )
    return EndedWait(
        memo.task_id,
        memo.attempt,
        memo.kind,
        memo.name,
        memo.number,
        wait.row.opened_at,
        memo.created_at,
        by_message,
    )
