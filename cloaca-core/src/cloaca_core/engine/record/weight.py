"""Estimates how many bytes rows take, in memory and on their way to the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloaca_core.features.follow_ups.records import NewFollowUp
    from cloaca_core.features.steps.records import MemoRow
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.rows import AttemptRow, RunEnd

ROW_BYTES: Final = 250
"""About how many bytes a row takes besides its texts."""


def attempt_weight(row: AttemptRow) -> int:
    """The weight of an attempt's row."""
    weight = ROW_BYTES + len(row.change or "") + len(row.skip_reason or "")
    if row.error_message is not None:
        weight += len(row.error_message) + len(row.error_traceback or "")
    return weight


def end_weight(end: RunEnd) -> int:
    """The weight of the end of a run."""
    return len(end.final_context or "") + len(end.error_message or "")


def memo_weight(memo: MemoRow) -> int:
    """The weight of a memo."""
    return ROW_BYTES + len(memo.value)


def wait_weight(wait: WaitRow) -> int:
    """The weight of a wait that opens."""
    return ROW_BYTES + len(wait.detail)


def follow_up_weight(row: NewFollowUp) -> int:
    """The weight of a run that follows an end; its input repeats the error of that end."""
    return ROW_BYTES + len(row.content)
