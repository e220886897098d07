"""What a caller asks about schedules, as the engine takes it, and what it is answered."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from cloaca_core.runner.error_prefixes import prefixed
from cloaca_core.runner.results import Backfill

if TYPE_CHECKING:
    from cloaca_core.definition.inputs import ContextLike
    from cloaca_core.runner.calls.backfill import BackfillSpec, Filled
    from cloaca_core.runner.calls.schedules import ScheduleSpec
    from cloaca_core.runner.host import EngineHost


def schedule_spec(
    host: EngineHost,
    refusal: str,
    workflow_name: str,
    cron_expression: str,
    timezone: str,
    params: ContextLike = None,
    **options: Any,
) -> ScheduleSpec:
    """A schedule as it is asked for, with what only the caller's thread may look at."""
    # Here: cron's fields and time zones would add a tenth to the time of ``import cloaca``.
    from cloaca_core.runner.calls.schedules import ScheduleSpec

    requests = host.open_requests
    with prefixed(refusal):
        workflow = host.registry.full_name(workflow_name)
        text = requests.input_text(params, "params")
    return ScheduleSpec(workflow, cron_expression, timezone, params=text, **options)


def backfill_spec(
    schedule: str, start: datetime | str, end: datetime | str, limit: int | None
) -> BackfillSpec:
    """A back-fill as it is asked for."""
    from cloaca_core.runner.calls.backfill import BackfillSpec  # here: as above

    return BackfillSpec(schedule, start, end, limit)


def backfill_result(filled: Filled) -> Backfill:
    """A back-fill as its caller sees it."""
    from cloaca_core.values.instants import to_datetime  # here: as above

    times = tuple([to_datetime(tick).isoformat() for tick in filled.ticks])
    return Backfill(filled.schedule_id, times, filled.runs, filled.already, filled.left)
