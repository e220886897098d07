"""The keys by which a run that a tick made knows its tick, of a schedule or of a cron trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.values.times.instants import Instant, to_datetime

if TYPE_CHECKING:
    from cloaca_core.features.schedules.timing.catch_up import DueTick
    from cloaca_core.values.payloads.json_values import JsonValue

TICK_KEYS: Final = (
    "scheduled_time",
    "schedule_id",
    "schedule_timezone",
    "schedule_expression",
    "is_recovery",
    "recovery_attempt",
    "original_execution_id",
)
"""The keys of ``tick_items``."""


def tick_items(
    schedule_id: str, cron_expression: str | None, timezone: str | None, due: DueTick
) -> dict[str, JsonValue]:
    """The items that a tick adds to the context which its run begins with."""
    items: dict[str, JsonValue] = {
        "scheduled_time": to_datetime(due.tick).isoformat(),
        "schedule_id": schedule_id,
        "schedule_timezone": timezone,
        "schedule_expression": cron_expression,
    }
    if due.recovered:
        items["is_recovery"] = True
        items["recovery_attempt"] = 1
        items["original_execution_id"] = tick_name(schedule_id, due.tick)
    return items


def tick_name(schedule_id: str, tick: Instant) -> str:
    """The unique name of a tick."""
    return f"{schedule_id}@{to_datetime(tick).isoformat()}"
