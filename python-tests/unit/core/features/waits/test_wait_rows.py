"""What one entry of the journal writes of waits, beside those of others in its batch."""

from __future__ import annotations

from cloaca_core.engine.record.entries import Draft
from cloaca_core.features.steps.records import MEMOS
from cloaca_core.features.waits.records import (
    CLOSED,
    TIMEOUTS,
    WAITS,
    ClosedWait,
    WaitRow,
    WaitTimeout,
)
from cloaca_core.features.waits.wait_rows import WaitRows
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import memo

WAIT = WaitRow("r", "t", EVENT, "go", 1, 1, "", 0, None)
OTHER = WAIT._replace(name="stop")
TIMEOUT = WaitTimeout("r", "t", EVENT, "go", 1, 7)
_CLOSED = ClosedWait("r", "t", EVENT, "go", 1, 3)
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
