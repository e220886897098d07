"""Builds the row of a run's end. Pure; it is built nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.run.rows import RunEnd
from cloaca_core.values.payloads.json_values import encode

if TYPE_CHECKING:
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.planner import RunOver


def end_row(run: ActiveRun, over: RunOver, context: str | None, now: int) -> RunEnd:
    """The run ended at ``now``, with this final context as JSON; None if that is its input."""
    reason = over.reason
    return RunEnd(
        run.id,
        run.epoch,
        over.status.value,
        context,
        None if reason is None else reason.text,
        now,
        run.row.schedule_id,
        None if reason is None else str(reason.code),
        None if reason is None else reason.limit_seconds,
        encode(list(reason.tasks)) if reason is not None and reason.tasks else None,
    )
