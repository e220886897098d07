"""Builds the rows of waits, and the memos that tell bodies how their waits ended; adds them to
entries of the journal. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.definition.waits.approvals import detail_of
from cloaca_core.definition.waits.kinds import Approval, NodeWait, WaitFor
from cloaca_core.features.steps.asked_wait import AskedWait
from cloaca_core.features.steps.records import MEMOS, MemoRow
from cloaca_core.features.waits.open_waits import WaitKey, waits_of
from cloaca_core.features.waits.records import (
    CLOSED,
    TIMEOUTS,
    WAITS,
    ClosedWait,
    WaitRow,
    WaitTimeout,
    key_of_wait,
)
from cloaca_core.run.items.units import BITS, unit_of
from cloaca_core.run.watcher import EndedWait
from cloaca_core.store.messages import MessageRow, NewMessage
from cloaca_core.values.payloads.json_values import encode
from cloaca_core.values.times.instants import SECOND, Instant, instant_text
from cloaca_core.values.waits import APPROVAL, EVENT, RUN, SLEEP

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow

_PAYLOAD: Final = '{"payload":'
"""The beginning of the memo of a wait that a message has ended."""


def row_of_node(node: NodeWait, mark: AttemptRow, due_at: int | None) -> WaitRow:
    """The wait of a node that opens with this row of its attempt."""
    kind, name, detail = SLEEP, "", "{}"
    if isinstance(node, WaitFor):
        kind, name = EVENT, node.event
    elif isinstance(node, Approval):
        kind, name = APPROVAL, mark.task_id
        detail = detail_of(node)
    assert mark.started_at is not None, "a node has opened"
    return WaitRow(
        mark.run_id, mark.task_id, kind, name, 0, mark.attempt, "", mark.started_at, due_at, detail
    )


def row_of_run(mark: AttemptRow, name: str, detail: str) -> WaitRow:
    """The wait of a node for the end of a run, which opens with this row of its attempt."""
    assert mark.started_at is not None, "a node has opened"
    key = (mark.run_id, mark.task_id, RUN, name, 0)
    return WaitRow(*key, mark.attempt, "", mark.started_at, None, detail, item=mark.item)


def row_of_body(attempt: Attempt, asked: AskedWait, now: int) -> WaitRow:
    """The wait of a body that begins now."""
    due_at = asked.until if asked.seconds is None else now + round(asked.seconds * SECOND)
    return WaitRow(
        attempt.run_id,
        attempt.task_id,
        asked.kind,
        asked.name,
        asked.number,
        attempt.number,
        asked.input_hash,
        now,
        due_at,
        asked.detail,
        item=(attempt.index >> BITS) - 1,
    )


def row_of_message(message: NewMessage, number: int) -> MessageRow:
    """A message that was just sent, in the form of an unread message of the table."""
    return MessageRow(
        run_id=message.run_id,
        number=number,
        id=message.id,
        kind=message.kind,
        name=message.name,
        payload=message.payload,
        dedupe_key=message.dedupe_key,
        sent_by=message.sent_by,
        sent_at=message.sent_at,
        taken_by=None,
        for_task=message.for_task,
        for_item=message.for_item,
    )


def value_of_message(message: MessageRow) -> str:
    """The memo of a wait that this message has ended: its payload, as JSON text."""
    return f"{_PAYLOAD}{message.payload}}}"


def value_of_timeout(row: WaitRow, now: Instant) -> str:
    """The memo of a wait that timed out. For an approval, the decision has the time of the
    time-out, so it is the same each time that the body runs.
    """
    return encode({"over_at": instant_text(now)}) if row.kind == APPROVAL else "{}"


def is_of_message(memo: MemoRow) -> bool:
    """Whether a message has ended the wait of this memo."""
    return memo.value.startswith(_PAYLOAD)


def memo_of(row: WaitRow, value: str, now: int) -> MemoRow:
    """The memo for the end of a body's wait."""
    return MemoRow(
        run_id=row.run_id,
        task_id=row.task_id,
        kind=row.kind,
        name=row.name,
        number=row.number,
        input_hash=row.input_hash,
        attempt=row.attempt,
        value=value,
        calls=0,
        created_at=now,
        item=row.item,
    )


class WaitRows(NamedTuple):
    """The rows of waits in one entry. ``memos`` tell bodies how their waits ended."""

    opened: Sequence[WaitRow] = ()
    timeouts: Sequence[WaitTimeout] = ()
    closed: Sequence[ClosedWait] = ()
    memos: Sequence[MemoRow] = ()

    def add_to(self, draft: Draft) -> None:
        """Add them to a batch. In a transaction waits are closed before others open, so a wait that
        opens and ends in the same batch is left out.
        """
        if self.opened or self.closed:
            opened = draft.by_key(WAITS)
            for ended in self.closed:
                opened.pop(key_of_wait(ended), None)
            for each in self.opened:
                opened[key_of_wait(each)] = each
        if self.closed:
            draft.put(CLOSED, self.closed)
        if self.timeouts:
            draft.put(TIMEOUTS, self.timeouts)
        if self.memos:
            draft.put(MEMOS, self.memos)

    @property
    def weight(self) -> int:
        """Their approximate size in bytes."""
        weight = WAITS.weight(self.opened) if self.opened else 0
        return weight + MEMOS.weight(self.memos) if self.memos else weight

    def ended_waits(self, run: ActiveRun, attempts: Sequence[AttemptRow]) -> list[EndedWait]:
        """The waits that ended by a message or by time; not those that are closed because their
        task has ended.
        """
        found = [_of_node(row, self.closed) for row in attempts]
        found += [_of_body(run, place, self) for place in range(len(self.memos))]
        return [each for each in found if each is not None]


def _of_node(row: AttemptRow, closed: Sequence[ClosedWait]) -> EndedWait | None:
    for each in closed:
        of_row = (each.task_id, each.item) == (row.task_id, row.item)
        if of_row and each.number == 0 and row.ended_at is not None:
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
                row.item,
            )
    return None


def _of_body(run: ActiveRun, place: int, rows: WaitRows) -> EndedWait | None:
    memo, task = rows.memos[place], run.graph.position.get(rows.memos[place].task_id)
    waits = waits_of(run)
    if waits is None or task is None or memo.kind not in (SLEEP, EVENT, APPROVAL):
        return None
    wait = waits.get(WaitKey(unit_of(task, memo.item), memo.number, memo.kind, memo.name))
    if wait is None:
        return None
    by_message = any(
        each.message is not None
        and (each.item, each.number, each.name) == (memo.item, memo.number, memo.name)
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
        memo.item,
    )
