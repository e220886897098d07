"""Builds the rows of waits, and the memos by which bodies know how their waits ended. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.definition.waits.approvals import detail_of
from cloaca_core.definition.waits.kinds import Approval, NodeWait, WaitFor
from cloaca_core.features.steps.asked_wait import AskedWait
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.store.messages import MessageRow, NewMessage
from cloaca_core.values.payloads.json_values import encode
from cloaca_core.values.times.instants import SECOND, Instant, instant_text
from cloaca_core.values.waits import APPROVAL, EVENT, SLEEP

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
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
    )


def row_of_message(message: NewMessage, number: int) -> MessageRow:
    """A message that was just sent, as it is unread in the table."""
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
    )


def value_of_message(message: MessageRow) -> str:
    """The memo of a wait that this message has ended: its payload, as text of JSON."""
    return f"{_PAYLOAD}{message.payload}}}"


def value_of_timeout(row: WaitRow, now: Instant) -> str:
    """The memo of a wait that was over by time. The decision that an approval gets then says when,
    the same each time that its body runs.
    """
    return encode({"over_at": instant_text(now)}) if row.kind == APPROVAL else "{}"


def is_of_message(memo: MemoRow) -> bool:
    """Whether a message has ended the wait of this memo."""
    return memo.value.startswith(_PAYLOAD)


def memo_of(row: WaitRow, value: str, now: int) -> MemoRow:
    """How a wait of a body has ended."""
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
    )
