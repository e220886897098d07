"""Estimates how many bytes rows take, in memory and on their way to the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.store.batch import ROW_BYTES

if TYPE_CHECKING:
    from cloaca_core.run.rows import AttemptRow, RunEnd


def attempt_weight(row: AttemptRow) -> int:
    """The weight of an attempt's row."""
    weight = ROW_BYTES + len(row.change or "") + len(row.skip_reason or "")
    if row.error_message is not None:
        weight += len(row.error_message) + len(row.error_traceback or "")
    return weight


def end_weight(end: RunEnd) -> int:
    """The weight of the end of a run."""
    return len(end.final_context or "") + len(end.error_message or "")
