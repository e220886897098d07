"""The row of a wait, and the memo of how it has ended."""

from __future__ import annotations

import json

from model.runs import active_run, attempt_of, graph_of
from tables import each_row

from cloaca_core.definition.waits.kinds import Approval, NodeWait, Sleep, WaitFor
from cloaca_core.engine.record.entries import Draft
from cloaca_core.features.steps.asked_wait import AskedWait
from cloaca_core.features.steps.records import MEMOS, MemoRow
from cloaca_core.features.waits.records import (
    CLOSED,
    TIMEOUTS,
    WAITS,
    ClosedWait,
    WaitRow,
    WaitTimeout,
)
from cloaca_core.features.waits.rows import (
    WaitRows,
    memo_of,
    row_of_body,
    row_of_node,
    value_of_message,
)
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.waits import APPROVAL, EVENT, SLEEP
from cloaca_testing.conformance.rows import attempt as attempt_row, memo

MARK = attempt_row("r", "t", 3, status="Waiting")._replace(started_at=100)
EVENT_ROW = WaitRow("r", "t", EVENT, "paid", 2, 4, "hash", 100, None)


@each_row(
    ("node", "kind", "name"),
    [
        (Sleep(seconds=1.0), SLEEP, ""),
        (WaitFor("paid", None), EVENT, "paid"),
        # People answer by the task, so one of that name is the only one.
        (Approval("Pay?", ("yes", "no")), APPROVAL, "t"),
    ],
)
def test_a_node_waits_since_its_attempt_has_begun(node: NodeWait, kind: str, name: str) -> None:
    row = row_of_node(node, MARK, 900)

    assert row[:9] == ("r", "t", kind, name, 0, 3, "", 100, 900)
    assert row.timed_out == 0


@each_row("schema", [None, {"type": "object"}])
def test_people_see_what_an_approval_asks(schema: dict[str, JsonValue] | None) -> None:
    node = Approval("Pay?", ("yes", "no"), schema=schema)

    detail = json.loads(row_of_node(node, MARK, None).detail)

    assert detail == {"prompt": "Pay?", "choices": ["yes", "no"], "schema": schema}


@each_row(
    ("seconds", "until", "due_at"),
    [
        (0.5, None, 600_000),
        (None, 70, 70),  # an instant, also a past one
        (None, None, None),  # only by a message
    ],
)
def test_the_wait_of_a_body_counts_from_when_it_has_come_there(
    seconds: float | None, until: int | None, due_at: int | None
) -> None:
    attempt = attempt_of(active_run(graph_of(t={})), number=4)
    asked = AskedWait(EVENT, "paid", 2, seconds, until, "hash", may_suspend=True)

    row = row_of_body(attempt, asked, 100_000)

    assert row == EVENT_ROW._replace(opened_at=100_000, due_at=due_at)


def test_the_end_is_kept_for_the_same_call_of_the_same_input() -> None:
    assert memo_of(EVENT_ROW, "{}", 700) == MemoRow(
        run_id="r",
        task_id="t",
        kind=EVENT,
        name="paid",
        number=2,
        input_hash="hash",
        attempt=4,
        value="{}",
        calls=0,
        created_at=700,
    )


@each_row("payload", ["null", '{"a":[1]}'])
def test_the_payload_is_kept_as_it_came(payload: str) -> None:
    message = MessageRow("r", 1, "m1", EVENT, "paid", payload, None, None, 0, None)

    assert json.loads(value_of_message(message)) == {"payload": json.loads(payload)}


WAIT = WaitRow("r", "t", EVENT, "go", 1, 1, "", 0, None)
OTHER = WAIT._replace(name="stop")
TIMEOUT = WaitTimeout("r", "t", EVENT, "go", 1, 7)
_CLOSED = ClosedWait("r", "t", EVENT, "go", 1, "m3")
MEMO = memo("r")


def drafted(*rows: WaitRows) -> Draft:
    draft = Draft()
    for each in rows:
        each.add_to(draft)
    return draft


def test_all_of_it_is_in_the_batch() -> None:
    batch = drafted(WaitRows([OTHER], [TIMEOUT], [_CLOSED], [MEMO])).batch("r1")

    assert (batch.of(WAITS), batch.of(TIMEOUTS)) == ([OTHER], [TIMEOUT])
    assert (batch.of(CLOSED), batch.of(MEMOS)) == ([_CLOSED], [MEMO])


def test_a_wait_that_opens_and_ends_in_one_batch_is_not_written() -> None:
    """In a transaction waits are closed before others open: it would stay open."""
    draft = drafted(WaitRows([WAIT, OTHER]), WaitRows(closed=[_CLOSED], memos=[MEMO]))

    batch = draft.batch("r1")
    assert batch.of(WAITS) == [OTHER]
    assert (batch.of(CLOSED), batch.of(MEMOS)) == ([_CLOSED], [MEMO])


def test_one_that_opens_after_the_end_of_another_with_its_key_is_written() -> None:
    again = WAIT._replace(attempt=2)

    draft = drafted(WaitRows(closed=[_CLOSED]), WaitRows([again]))

    assert draft.batch("r1").of(WAITS) == [again]


def test_what_is_long_weighs_more() -> None:
    assert WaitRows().weight == 0
    assert WaitRows([WAIT, OTHER], memos=[MEMO]).weight == (
        WAITS.weight([WAIT, OTHER]) + MEMOS.weight([MEMO])
    )
    long = WAIT._replace(detail=1002 * "x")
    assert WaitRows([long]).weight - WaitRows([WAIT]).weight == 1000
