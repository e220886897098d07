"""Puts schedules right that were decided on a clock which was ahead.

When that is so, and where they go on, is decided in ``schedules.set_back``. Fires nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core._engine.tick_rows import timing_of
from cloaca_core.logs import SafeLogger
from cloaca_core.schedules.catch_up import next_due
from cloaca_core.schedules.instants import to_datetime
from cloaca_core.schedules.set_back import AHEAD, cursor_set_back

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloaca_core.schedules.instants import Instant
    from cloaca_core.store.protocol import Store
    from cloaca_core.store.records import ScheduleRow

log = SafeLogger("cloaca.schedules")

CHECKED: Final = 1_000
"""Schedules that are put right in one go."""


async def set_back(store: Store, workflows: Collection[str], now: Instant) -> bool:
    """Put the schedules of these workflows right; whether there were any. One that was changed
    meanwhile is left as it is.
    """
    changed = False
    for row, newest in await store.schedules_ahead(workflows, now, now + AHEAD, CHECKED):
        try:
            wanted = _set_back(row, newest, now)
        except Exception:  # one schedule that cannot be read must not stop the others
            ids = {"schedule_id": row.id, "workflow": row.workflow}
            log.exception("schedule %s cannot be put right here", row.id, extra=ids)
            continue
        if await store.retime_schedule(wanted):
            changed = True
            _tell(row, wanted)
    return changed


def _set_back(row: ScheduleRow, newest: Instant | None, now: Instant) -> ScheduleRow:
    cursor = cursor_set_back(row.updated_at, newest, now)
    timing = timing_of(row)
    return row._replace(
        decided_until=cursor,
        next_tick=timing.next_tick(cursor),
        due_at=next_due(timing, cursor),
        updated_at=min(row.updated_at, now),
    )


def _tell(row: ScheduleRow, wanted: ScheduleRow) -> None:
    log.warning(
        "schedule %s was decided until %s by a clock that was ahead; it goes on from %s",
        row.id,
        to_datetime(row.decided_until).isoformat(),
        to_datetime(wanted.decided_until).isoformat(),
        extra={"schedule_id": row.id, "workflow": row.workflow},
    )
