"""What one entry of the journal writes of waits, beside those of others in its batch."""

from __future__ import annotations

from cloaca_core.engine.record.entries import Draft
from cloaca_core.engine.record.weight import memo_weight, wait_weight
from cloaca_core.features.waits.records import ClosedWait, WaitRow, WaitTimeout
from cloaca_core.features.waits.wait_rows import WaitRows
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import memo

WAIT = WaitRow("r", "t", EVENT, "go", 1, 1, "", 0, None)
OTHER = WAIT._replace(name="stop")
TIMEOUT = WaitTimeout("r", "t", EVENT, "go", 1, 7)
CLOSED = ClosedWait("r", "t", EVENT, "go", 1, 3)
MEMO = memo("r")


def drafted(*rows: WaitRows) -> Draft:
    draft = Draft()
    for each in rows:
        each.add_to(draft)
    return draft


def test_all_of_it_is_in_the_batch() -> None:
    batch = drafted(WaitRows([OTHER], [TIMEOUT], [CLOSED], [MEMO])).batch("r1")

    assert (batch.waits, batch.timeouts) == ([OTHER], [TIMEOUT])
    assert (batch.closed, batch.memos) == ([CLOSED], [MEMO])


def test_a_wait_that_opens_and_ends_in_one_batch_is_not_written() -> None:
    """In a transaction waits are closed before others open: it would stay open."""
    draft = drafted(WaitRows([WAIT, OTHER]), WaitRows(closed=[CLOSED], memos=[MEMO]))

    assert list(draft.waits.values()) == [OTHER]
    assert (draft.closed, draft.memos) == ([CLOSED], [MEMO])


def test_one_that_opens_after_the_end_of_another_with_its_key_is_written() -> None:
    again = WAIT._replace(attempt=2)

    draft = drafted(WaitRows(closed=[CLOSED]), WaitRows([again]))

    assert list(draft.waits.values()) == [again]


def test_what_is_long_weighs_more() -> None:
    assert WaitRows().weight == 0
    assert WaitRows([WAIT, OTHER], memos=[MEMO]).weight == (
        wait_weight(WAIT) + wait_weight(OTHER) + memo_weight(MEMO)
    )
    long = WAIT._replace(detail=1002 * "x")
    assert WaitRows([long]).weight - WaitRows([WAIT]).weight == 1000
