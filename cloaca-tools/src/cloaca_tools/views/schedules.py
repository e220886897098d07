"""Cron schedules: when they tick, the runs of their last ticks, and the ticks of a period."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cloaca_core.errors import CronExpressionError, ScheduleError
from cloaca_core.features.schedules.operations.schedule_lists import checked_id
from cloaca_core.features.schedules.tick_rows import timing_of
from cloaca_core.features.schedules.timing.back_fill import check_period
from cloaca_core.features.schedules.timing.explain import ClockChange, explained, in_words
from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.payloads.json_values import decode
from cloaca_core.values.states import TickOutcome
from cloaca_core.values.text import is_storable
from cloaca_core.values.times.instants import SECOND, to_datetime
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none
from cloaca_core.values.times.time_limits import limit_of_row
from cloaca_tools.views.lists.listing import RunLine, line_of
from cloaca_tools.views.workflows.statistics import percentile

if TYPE_CHECKING:
    from datetime import datetime

    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.schedules.records import ScheduleRow, TickRow
    from cloaca_core.features.schedules.timing.timing import Timing
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.times.instants import Instant

LATELY: Final = 20
"""Ticks of each schedule in a list."""
HISTORY: Final = 200
"""Ticks of one schedule."""
AHEAD: Final = 10
"""Ticks to come of one schedule."""
MARKED: Final = 2_000
"""Ticks of a period that are marked, the oldest."""
_DAY: Final = 86_400 * SECOND
_MOST_OF_DAY: Final = 300


@dataclass(frozen=True, slots=True)
class TickLine(Shown):
    """A tick that was decided. ``run`` is None if it made none, or if that was deleted since;
    ``lag`` are the seconds from when it was due to its decision, None for one that was skipped,
    caught up with or back-filled.
    """

    at: str
    outcome: str
    decided_at: str
    run_id: str | None
    run: RunLine | None
    lag: float | None


@dataclass(frozen=True, slots=True)
class ScheduleLine(Shown):
    """A schedule. ``words`` say when it ticks; where they are None, ``error`` says why it cannot be
    read here. ``next_tick`` is due at ``due_at``, later by the jitter; both are None once its ticks
    are over. ``time_limit`` is that of its runs: seconds, "none", or None. ``queue`` is the queue
    that its runs ask for. ``paused`` says that no run of its workflow is claimed.

    ``ticks`` are the newest that were decided, oldest first, and ``lag`` the seconds that 95 in a
    hundred of them did not come later. ``day`` are the ticks of the next 24 hours, at most 300 of
    them, and ``in_day`` is how many there are; none while it is not ``enabled``.
    """

    id: str
    name: str | None
    workflow_name: str
    workflow: str
    cron_expression: str
    timezone: str
    words: str | None
    error: str
    enabled: bool
    paused: bool
    catchup_policy: str
    overlap_policy: str
    jitter_seconds: int
    start_date: str | None
    end_date: str | None
    params: Mapping[str, Any]
    time_limit: float | str | None
    queue: str | None
    next_tick: str | None
    due_at: str | None
    last_tick: str | None
    created_at: str
    updated_at: str
    ticks: tuple[TickLine, ...]
    lag: float | None
    day: tuple[str, ...]
    in_day: int


@dataclass(frozen=True, slots=True)
class SchedulePage(Shown):
    """Schedules by workflow, as seen at the instant ``at``, and whether there is ``more``."""

    at: str
    schedules: tuple[ScheduleLine, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """One schedule, with its last 200 ticks, the next ones in its own time, and the clock changes
    of the next year that affect it.
    """

    at: str
    line: ScheduleLine
    coming: tuple[datetime, ...]
    clock_changes: tuple[ClockChange, ...]


@dataclass(frozen=True, slots=True)
class PeriodTick:
    """A tick of a period, at an instant, and its run: ``decided`` without one was skipped, or its
    run was deleted.
    """

    at: datetime
    decided: bool
    run: RunLine | None


@dataclass(frozen=True, slots=True)
class Period:
    """The oldest ticks of a period in the zone of their schedule; ``count`` is how many it has."""

    ticks: tuple[PeriodTick, ...]
    count: int


class Rows(NamedTuple):
    """The rows of schedules: their newest ticks, oldest first, and the runs of these."""

    now: Instant
    schedules: Sequence[ScheduleRow]
    ticks: Mapping[str, Sequence[TickRow]]
    runs: Mapping[str, RunRow]
    paused: frozenset[str]
    more: bool = False


class PeriodRows(NamedTuple):
    """The rows of a period."""

    now: Instant
    timing: Timing
    ticks: Sequence[Instant]
    decided: Sequence[TickRow]
    runs: Mapping[str, RunRow]
    number: int


# -- on the engine's loop ------------------------------------------------------------------------


async def read_page(engine: Looks, limit: int, offset: int) -> Rows:
    """Some of the schedules, by workflow."""
    found = await engine.store.list_schedules(enabled_only=False, limit=limit + 1, offset=offset)
    rows = await _rows(engine, found[:limit], LATELY)
    return rows._replace(more=len(found) > limit)


async def read_one(engine: Looks, schedule_id: str) -> Rows:
    """One schedule."""
    return await _rows(engine, [await _known(engine, schedule_id)], HISTORY)


async def read_id(engine: Looks, name: str) -> str | None:
    """The id of the schedule of this name."""
    row = await engine.store.get_schedule_named(name) if is_storable(name) else None
    return None if row is None else row.id


async def _known(engine: Looks, schedule_id: str) -> ScheduleRow:
    row = await engine.store.get_schedule(checked_id(schedule_id))
    if row is None:
        raise ScheduleError(f"no schedule has the id {schedule_id!r}; it may have been deleted")
    return row


async def _rows(engine: Looks, schedules: Sequence[ScheduleRow], most: int) -> Rows:
    store = engine.store.together()
    lists = gather(*[store.list_ticks(row.id, limit=most, offset=0) for row in schedules])
    found, paused = await gather(lists, store.paused_workflows())
    runs = [tick.run_id for of in found for tick in of if tick.run_id is not None]
    return Rows(
        now=await engine.store.now(),
        schedules=schedules,
        ticks={row.id: of[::-1] for row, of in zip(schedules, found, strict=True)},
        runs={row.id: row for row in await store.runs_of(runs)},
        paused=frozenset(paused),
    )


async def read_period(engine: Looks, schedule_id: str, start: Instant, end: Instant) -> PeriodRows:
    """The ticks from ``start`` on and before ``end``; ``ScheduleError`` as for a back-fill."""
    row = await _known(engine, schedule_id)
    timing, now = timing_of(row), await engine.store.now()
    check_period(timing, start, end, now)
    ticks = timing.between(start - 1, end - 1, MARKED)
    decided = await engine.store.find_ticks(row.id, ticks)
    runs = await engine.store.runs_of([each.run_id for each in decided if each.run_id is not None])
    count = timing.count(start - 1, end - 1)
    return PeriodRows(now, timing, ticks, decided, {each.id: each for each in runs}, count)


# -- shaping -------------------------------------------------------------------------------------


def page(rows: Rows) -> SchedulePage:
    """A page of schedules."""
    lines = [_line(row, rows) for row in rows.schedules]
    return SchedulePage(rfc3339(rows.now), tuple(lines), rows.more)


def view(rows: Rows) -> ScheduleView:
    """One schedule."""
    (row,) = rows.schedules
    coming: tuple[datetime, ...] = ()
    changes: tuple[ClockChange, ...] = ()
    line = _line(row, rows)
    if not line.error:
        timing = timing_of(row)
        coming = _ahead(timing, rows.now)
        changes = explained(timing.cron, rows.now).clock_changes
    return ScheduleView(rfc3339(rows.now), line, coming, changes)


def _ahead(timing: Timing, now: Instant) -> tuple[datetime, ...]:
    found: list[datetime] = []
    tick = timing.next_tick(now)
    while tick is not None and len(found) < AHEAD:
        found.append(to_datetime(tick).astimezone(timing.cron.zone))
        tick = timing.next_tick(tick)
    return tuple(found)


def _line(row: ScheduleRow, rows: Rows) -> ScheduleLine:
    timing, error = _timing(row)
    words = None if timing is None else in_words(timing.cron.normalized)
    day, in_day = ((), 0) if timing is None or not row.enabled else _day(timing, rows.now)
    ticks = [_tick(each, rows, timing) for each in rows.ticks[row.id]]
    limit = limit_of_row(row.time_limit)
    params = decode(row.params)
    return ScheduleLine(
        id=row.id,
        name=row.name,
        workflow_name=short_name(row.workflow),
        workflow=row.workflow,
        cron_expression=row.cron_expression,
        timezone=row.timezone,
        words=words,
        error=error,
        enabled=row.enabled,
        paused=row.workflow in rows.paused,
        catchup_policy=row.catchup_policy,
        overlap_policy=row.overlap_policy,
        jitter_seconds=row.jitter_seconds,
        start_date=rfc3339_or_none(row.start_date),
        end_date=rfc3339_or_none(row.end_date),
        params=params if isinstance(params, dict) else {},
        time_limit=limit if isinstance(limit, float | None) else "none",
        queue=row.queue,
        next_tick=rfc3339_or_none(row.next_tick),
        due_at=rfc3339_or_none(row.due_at),
        last_tick=rfc3339_or_none(row.last_tick),
        created_at=rfc3339(row.created_at),
        updated_at=rfc3339(row.updated_at),
        ticks=tuple(ticks),
        lag=percentile([round(t.lag * SECOND) for t in ticks if t.lag is not None], 95),
        day=day,
        in_day=in_day,
    )


def _timing(row: ScheduleRow) -> tuple[Timing | None, str]:
    """The times of a schedule, or why they are not known here."""
    try:
        return timing_of(row), ""
    except CronExpressionError as error:
        return None, str(error)


def _day(timing: Timing, now: Instant) -> tuple[tuple[str, ...], int]:
    """The ticks of the next 24 hours, and how many there are."""
    ticks = timing.between(now, now + _DAY, _MOST_OF_DAY)
    count = timing.count(now, now + _DAY) if len(ticks) == _MOST_OF_DAY else len(ticks)
    return tuple([rfc3339(each) for each in ticks]), count


def _tick(row: TickRow, rows: Rows, timing: Timing | None) -> TickLine:
    lag = None
    if timing is not None and row.outcome == TickOutcome.FIRED:
        lag = max(0, row.created_at - timing.due_at(row.tick)) / SECOND
    return TickLine(
        at=rfc3339(row.tick),
        outcome=row.outcome,
        decided_at=rfc3339(row.created_at),
        run_id=row.run_id,
        run=line_of(rows.runs, row.run_id, rows.now),
        lag=lag,
    )


def period(rows: PeriodRows) -> Period:
    """The ticks of a period."""
    decided = {each.tick: each for each in rows.decided}
    zone = rows.timing.cron.zone
    ticks = []
    for instant in rows.ticks:
        row = decided.get(instant)
        line = line_of(rows.runs, row and row.run_id, rows.now)
        ticks.append(PeriodTick(to_datetime(instant).astimezone(zone), row is not None, line))
    return Period(tuple(ticks), rows.number)
