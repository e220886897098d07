"""Lists schedules and their ticks, as dicts of 0.x. Only looks: needs the store and no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from cloaca_core.engine.calls.paging import checked_page
from cloaca_core.errors import ScheduleError
from cloaca_core.features.schedules.tick_context import tick_name
from cloaca_core.values.arguments import flag, text
from cloaca_core.values.error_prefixes import prefixed
from cloaca_core.values.namespace import short_name
from cloaca_core.values.times.instants import instant_text, read_instant

if TYPE_CHECKING:
    from cloaca_core.features.schedules.part import ScheduleStore
    from cloaca_core.features.schedules.records import ScheduleRow, TickRow


class ScheduleLists:
    """Belongs to the loop of the store."""

    def __init__(self, store: ScheduleStore) -> None:
        self._store = store

    async def page(
        self, enabled_only: bool | None, limit: int | None, offset: int | None
    ) -> list[dict[str, Any]]:
        """Schedules by workflow."""
        only = False if enabled_only is None else flag("enabled_only", enabled_only)
        rows = await self._store.list_schedules(enabled_only=only, **checked_page(limit, offset))
        return [_schedule_dict(row) for row in rows]

    async def get(self, schedule_id: str) -> dict[str, Any]:
        """One schedule."""
        with prefixed("Failed to get cron schedule: "):
            return _schedule_dict(await self._known(schedule_id))

    async def history(
        self, schedule_id: str, limit: int | None, offset: int | None
    ) -> list[dict[str, Any]]:
        """The ticks that were decided, newest first."""
        with prefixed("Failed to get cron execution history: "):
            checked = checked_id(schedule_id)
        return [
            _tick_dict(row)
            for row in await self._store.list_ticks(checked, **checked_page(limit, offset))
        ]

    async def stats(self, since: str) -> dict[str, Any]:
        """Counts of fired and lost ticks of all schedules since then."""
        fired, lost = await self._store.count_ticks(read_instant("since", since))
        total = fired + lost
        return {
            "total_executions": total,
            "successful_executions": fired,
            "lost_executions": lost,
            "success_rate": 100.0 * fired / total if total else 0.0,
        }

    async def _known(self, schedule_id: str) -> ScheduleRow:
        row = await self._store.get_schedule(checked_id(schedule_id))
        if row is None:
            raise ScheduleError(f"Record not found: no schedule has the id {schedule_id!r}")
        return row


def checked_id(schedule_id: object) -> str:
    schedule_id = text("Invalid schedule ID: schedule_id", schedule_id)
    try:
        return str(UUID(schedule_id))
    except ValueError:
        raise ScheduleError(f"Invalid schedule ID: {schedule_id!r:.100}") from None


# -- the dicts of 0.x ----------------------------------------------------------------------------


def _schedule_dict(row: ScheduleRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "workflow_name": short_name(row.workflow),
        "cron_expression": row.cron_expression,
        "timezone": row.timezone,
        "enabled": row.enabled,
        "catchup_policy": row.catchup_policy,
        "next_run_at": instant_text(row.next_tick),
        "last_run_at": instant_text(row.last_tick),
        "created_at": instant_text(row.created_at),
        "updated_at": instant_text(row.updated_at),
        "name": row.name,
        "overlap_policy": row.overlap_policy,
        "start_date": instant_text(row.start_date),
        "end_date": instant_text(row.end_date),
        "queue": row.queue,
    }


def _tick_dict(row: TickRow) -> dict[str, Any]:
    decided = instant_text(row.created_at)
    return {
        "id": tick_name(row.schedule_id, row.tick),
        "schedule_id": row.schedule_id,
        "scheduled_time": instant_text(row.tick),
        "claimed_at": decided,
        "pipeline_execution_id": row.run_id,
        "workflow_execution_id": row.run_id,
        "created_at": decided,
        "updated_at": decided,
    }
