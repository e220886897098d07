"""Corrects schedules whose ticks were decided by a clock that was ahead.

``schedules.set_back`` decides from which instant each of them continues. Fires nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.schedules.tick_rows import timing_of
from cloaca_core.features.schedules.timing.catch_up import next_due
from cloaca_core.features.schedules.timing.set_back import cursor_set_back
from cloaca_core.logs import SafeLogger
from cloaca_core.values.times.instants import to_datetime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.features.schedules.part import ScheduleStore
    from cloaca_core.features.schedules.records import ScheduleRow
    from cloaca_core.values.times.instants import Instant

log = SafeLogger("cloaca.schedules")


class CursorCorrection:
    """Remembers which schedules it could not read, to log that once for each of their changes."""

    def __init__(self, store: ScheduleStore) -> None:
        self._store = store
        self._unreadable: set[tuple[str, int]] = set()

    async def put_right(
        self, ahead: Sequence[tuple[ScheduleRow, Instant | None]], now: Instant
    ) -> bool:
        """Set these schedules back, each by the newest of its ticks up to now. Returns whether any
        was set back. A schedule that was changed meanwhile is not touched.
        """
        changed = False
        for row, newest in ahead:
            try:
                corrected = _set_back(row, newest, now)
            except Exception as error:  # noqa: BLE001 - the other schedules must go on
                self._tell_of_unreadable(row, error)
                continue
            if await self._store.change_schedule(corrected):
                changed = True
                _tell(row, corrected)
        return changed

    def _tell_of_unreadable(self, row: ScheduleRow, error: Exception) -> None:
        if (row.id, row.generation) not in self._unreadable:
            self._unreadable.add((row.id, row.generation))
            ids = {"schedule_id": row.id, "workflow": row.workflow}
            message = "schedule %s cannot be put right here"
            log.error(message, row.id, exc_info=error, extra=ids)


def _set_back(row: ScheduleRow, newest: Instant | None, now: Instant) -> ScheduleRow:
    cursor = cursor_set_back(row.updated_at, newest, now)
    timing = timing_of(row)
    return row._replace(
        decided_until=cursor,
        next_tick=timing.next_tick(cursor),
        due_at=next_due(timing, cursor),
        updated_at=min(row.updated_at, now),
    )


def _tell(row: ScheduleRow, corrected: ScheduleRow) -> None:
    log.warning(
        "schedule %s was decided until %s by a clock that was ahead; it goes on from %s",
        row.id,
        to_datetime(row.decided_until).isoformat(),
        to_datetime(corrected.decided_until).isoformat(),
        extra={"schedule_id": row.id, "workflow": row.workflow},
    )
