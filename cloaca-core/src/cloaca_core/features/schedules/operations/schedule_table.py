"""Reads and changes the table of cron schedules for callers; returns the dicts of 0.x.

Checks the arguments, for which it may need to read a row or the clock of the store. Fires nothing:
``changed`` tells the schedule loop that a schedule may be due sooner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from cloaca_core.errors import ScheduleError
from cloaca_core.features.schedules.operations.schedule_lists import ScheduleLists, checked_id
from cloaca_core.features.schedules.records import ScheduleRow
from cloaca_core.features.schedules.tick_rows import timing_of
from cloaca_core.features.schedules.timing.catch_up import catch_up_policy, next_due
from cloaca_core.features.schedules.timing.overlap import overlap_policy
from cloaca_core.features.schedules.timing.set_back import AHEAD, MOST_AHEAD, is_ahead
from cloaca_core.store.protocol import CHANGE_TRIES
from cloaca_core.values.arguments import flag, shown_number, text, whole
from cloaca_core.values.error_prefixes import CRON_WORKFLOW, INSTANCE, SCHEDULE, UPDATE, prefixed
from cloaca_core.values.namespace import SEPARATOR, check_name
from cloaca_core.values.queue_names import checked_queue
from cloaca_core.values.times.instants import read_instant
from cloaca_core.values.times.time_limits import read_time_limit, stored_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.features.schedules.part import ScheduleStore
    from cloaca_core.features.schedules.schedule_loop import ScheduleLoop
    from cloaca_core.features.steering.noted_acts import NotedActs
    from cloaca_core.store.acts import ActRow
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit

Moment: TypeAlias = datetime | str | None
DEFAULT_CATCH_UP: Final = "run_once"
DEFAULT_OVERLAP: Final = "allow"
_SETTINGS: Final = (
    "workflow",
    "cron_expression",
    "timezone",
    "catchup_policy",
    "overlap_policy",
    "jitter_seconds",
    "start_date",
    "end_date",
    "params",
    "time_limit",
    "queue",
)
LONGEST_JITTER: Final = 366 * 86_400


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """The settings of a schedule as a caller gave them. ``params`` is JSON; None is a default."""

    workflow: str
    cron_expression: str
    timezone: str
    name: str | None = None
    catchup_policy: str | None = None
    overlap_policy: str | None = None
    jitter_seconds: int | None = None
    start_date: Moment = None
    end_date: Moment = None
    params: str = "{}"
    time_limit: Duration | NoLimit | None = None
    queue: str | None = None


class ScheduleTable(ScheduleLists):
    """Belongs to the engine's loop."""

    def __init__(
        self,
        store: ScheduleStore,
        ids: RunIds,
        acts: NotedActs,
        schedules: ScheduleLoop,
        changed: Callable[[], None],
    ) -> None:
        super().__init__(store)
        self._ids = ids
        self._acts = acts
        self._schedules = schedules
        self._changed = changed

    async def register(self, spec: ScheduleSpec) -> str:
        """Add a schedule without a name."""
        with prefixed(CRON_WORKFLOW):
            return await self._put("add_schedule", spec, self._ids.next())

    async def put(self, spec: ScheduleSpec) -> str:
        """Add a schedule, or change the one of its name."""
        with prefixed(SCHEDULE):
            return await self._put_named(spec, check_name(spec.name, "name"))

    async def put_instance(self, spec: ScheduleSpec) -> str:
        """Add an instance of a workflow, or change the one of its name.

        Its schedule is named after both, in a form that no name of a ``schedule`` can have: two
        workflows may have an instance of one name, as in 0.x.
        """
        with prefixed(INSTANCE):
            instance = check_name(spec.name, "instance_name")
            return await self._put_named(spec, f"{spec.workflow}{SEPARATOR}{instance}")

    async def _put_named(self, spec: ScheduleSpec, name: str) -> str:
        known = await self._store.get_schedule_named(name)
        if known is not None and is_ahead(known.decided_until, now := await self._store.now()):
            edge = now + AHEAD
            ahead = await self._store.schedules_ahead([known.workflow], now, edge, MOST_AHEAD)
            await self._schedules.cursor_correction.put_right(ahead, now)
        spec = replace(spec, name=name)
        if known is None:
            return await self._put("add_schedule", spec, self._ids.next())
        return await self._put("change_schedule", spec, known.id)

    async def _put(self, kind: str, spec: ScheduleSpec, schedule_id: str) -> str:
        now = await self._store.now()
        row = _due(_row(spec, schedule_id, now), now)
        schedule_id = await self._store.put_schedule(row, self._act(kind, row))
        self._changed()
        if row.queue is not None:
            await self._schedules.submits([row.queue])
        return schedule_id

    def _act(self, kind: str, row: ScheduleRow) -> ActRow:
        """The change of a schedule: its expression and zone are part of it unless they stay."""
        about = row.name or row.id
        if kind in ("add_schedule", "change_schedule"):
            about = f"{about}: {row.cron_expression}, {row.timezone}"
        return self._acts.row(kind, about, row.workflow)

    async def update(self, schedule_id: str, cron_expression: str, timezone: str) -> None:
        """Change when it ticks, from now on."""

        def changed(row: ScheduleRow, now: int) -> ScheduleRow:
            retimed = row._replace(
                cron_expression=text("cron_expression", cron_expression),
                timezone=text("timezone", timezone),
            )
            return _due(retimed._replace(updated_at=now), now)

        with prefixed(UPDATE):
            await self._known(schedule_id)
            await self._change("change_schedule", schedule_id, changed)

    async def change(self, spec: ScheduleSpec, schedule_id: str) -> None:
        """Change all settings of a schedule but its name. Ticks that stay the same go on where
        they were; others count from now on.
        """
        with prefixed(UPDATE):
            await self._known(schedule_id)
            await self._change(
                "change_schedule", schedule_id, lambda row, now: _changed(row, spec, now)
            )
        if spec.queue is not None:
            await self._schedules.submits([spec.queue])

    async def set_enabled(self, schedule_id: str, enabled: bool) -> None:
        """Enable it from now on, or disable it; an unknown id changes nothing."""

        def changed(row: ScheduleRow, now: int) -> ScheduleRow:
            if row.enabled == enabled:
                return row
            return _due(row._replace(enabled=enabled, updated_at=now), now)

        with prefixed(UPDATE):
            kind = "enable_schedule" if flag("enabled", enabled) else "disable_schedule"
            await self._change(kind, schedule_id, changed)

    async def delete(self, schedule_id: str) -> None:
        """Remove it; an unknown id changes nothing."""
        with prefixed("Failed to delete cron schedule: "):
            row = await self._store.get_schedule(checked_id(schedule_id))
            if row is not None:
                act = self._act("delete_schedule", row)
                await self._store.delete_schedule(row.id, act)
        self._changed()

    async def _change(
        self,
        kind: str,
        schedule_id: str,
        changed: Callable[[ScheduleRow, int], ScheduleRow],
    ) -> None:
        """Change the current row of a schedule; a deleted schedule needs no change."""
        checked = checked_id(schedule_id)
        for _ in range(CHANGE_TRIES):
            row = await self._store.get_schedule(checked)
            if row is None:
                return
            new = changed(row, await self._store.now())
            if new == row or await self._store.change_schedule(new, self._act(kind, new)):
                self._changed()
                return
        raise ScheduleError("the schedule is changed by others all the time")


def _row(spec: ScheduleSpec, schedule_id: str, now: int) -> ScheduleRow:
    catch_up = catch_up_policy(_or(DEFAULT_CATCH_UP, spec.catchup_policy))
    overlap = overlap_policy(_or(DEFAULT_OVERLAP, spec.overlap_policy))
    jitter = whole("jitter_seconds", _or(0, spec.jitter_seconds))
    if jitter > LONGEST_JITTER:
        raise ScheduleError(
            f"jitter_seconds must be at most {LONGEST_JITTER}, got {shown_number(jitter)}"
        )
    start, end = _instant("start_date", spec.start_date), _instant("end_date", spec.end_date)
    if start is not None and end is not None and end < start:
        raise ScheduleError("end_date must not be before start_date")
    given = spec.time_limit
    limit = None if given is None else stored_limit(read_time_limit("time_limit", given))
    return ScheduleRow(
        id=schedule_id,
        name=spec.name,
        workflow=spec.workflow,
        cron_expression=text("cron_expression", spec.cron_expression),
        timezone=text("timezone", spec.timezone),
        enabled=True,
        catchup_policy=catch_up,
        overlap_policy=overlap,
        jitter_seconds=jitter,
        start_date=start,
        end_date=end,
        params=spec.params,
        decided_until=now,
        next_tick=None,
        due_at=None,
        last_tick=None,
        generation=0,
        created_at=now,
        updated_at=now,
        time_limit=limit,
        queue=None if spec.queue is None else checked_queue("queue", spec.queue),
    )


def _changed(row: ScheduleRow, spec: ScheduleSpec, now: int) -> ScheduleRow:
    """The schedule with these settings, as if it was put by its name."""
    given = _row(spec, row.id, now)
    new = row._replace(**{name: getattr(given, name) for name in _SETTINGS})
    if new == row:
        return row
    if _ticks(new) != _ticks(row):
        new = _due(new, now)
    elif new.jitter_seconds != row.jitter_seconds and row.due_at is not None:
        new = new._replace(due_at=min(row.due_at, now))  # the next tick may be due sooner
    return new._replace(updated_at=now)


def _ticks(row: ScheduleRow) -> tuple[object, ...]:
    """The settings on which it depends when a schedule ticks."""
    return row.cron_expression, row.timezone, row.start_date, row.end_date


def _due(row: ScheduleRow, now: int) -> ScheduleRow:
    """The schedule with its ticks decided until now: earlier ticks do not run."""
    timing = timing_of(row)
    return row._replace(
        decided_until=now, next_tick=timing.next_tick(now), due_at=next_due(timing, now)
    )


def _or(default: object, given: object) -> object:
    """``default`` for None only; other empty values stay, to be refused."""
    return default if given is None else given


def _instant(name: str, moment: Moment) -> int | None:
    return None if moment is None else read_instant(name, moment)
