"""Event triggers: when they are polled, and the runs that they fired."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.errors import ScheduleError
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.text import is_storable
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none
from cloaca_tools.views.lists.listing import RunLine, line_of

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.triggers.records import EventRow, TriggerRow
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.times.instants import Instant

LATELY: Final = 20
"""Events of each trigger in a list."""
HISTORY: Final = 200
"""Events of one trigger."""
LATE: Final = 60.0
"""A poll that is so many seconds late is missing: no runner that is up has the trigger."""


@dataclass(frozen=True, slots=True)
class EventLine(Shown):
    """An event that made a run, which is None if it was deleted since."""

    at: str
    run_id: str
    run: RunLine | None


@dataclass(frozen=True, slots=True)
class TriggerLine(Shown):
    """A trigger. ``workflow_name`` is None for one that is never polled. It is polled every
    ``poll_seconds``, or ticks by ``cron_expression`` in ``timezone``. ``late`` are the seconds
    since a poll is missing, None for none. ``events`` are the newest, oldest first. Its last
    ``failed_polls`` polls failed, since ``failing_since``, the last time with ``last_error``, None
    after a good one.
    """

    name: str
    workflow_name: str | None
    workflow: str | None
    poll_seconds: float | None
    cron_expression: str | None
    timezone: str | None
    allow_concurrent: bool
    enabled: bool
    last_poll: str | None
    next_poll: str | None
    late: float | None
    created_at: str
    updated_at: str
    events: tuple[EventLine, ...]
    last_error: str | None = None
    failing_since: str | None = None
    failed_polls: int = 0


@dataclass(frozen=True, slots=True)
class FailingTrigger(Shown):
    """An enabled trigger whose last ``failed_polls`` polls failed, since ``failing_since``."""

    name: str
    workflow_name: str | None
    last_error: str
    failing_since: str
    failed_polls: int


@dataclass(frozen=True, slots=True)
class TriggerPage(Shown):
    """Triggers by name, and whether there is ``more``."""

    triggers: tuple[TriggerLine, ...]
    more: bool


class Rows(NamedTuple):
    """The rows of triggers: their newest events, oldest first, and the runs of these."""

    now: Instant
    triggers: Sequence[TriggerRow]
    events: Mapping[str, Sequence[EventRow]]
    runs: Mapping[str, RunRow]
    more: bool = False


async def read_page(engine: Looks, limit: int, offset: int) -> Rows:
    """Some of the triggers, by name; runs on the engine's loop."""
    found = await engine.store.list_triggers(enabled_only=False, limit=limit + 1, offset=offset)
    rows = await _rows(engine, found[:limit], LATELY)
    return rows._replace(more=len(found) > limit)


async def read_one(engine: Looks, name: str) -> Rows:
    """One trigger; ``ScheduleError`` if there is none of this name. Runs on the engine's loop."""
    found = await engine.store.triggers_named([name]) if is_storable(name) else []
    if not found:
        raise ScheduleError(f"no program on this database has registered a trigger {name!r:.100}")
    return await _rows(engine, found, HISTORY)


async def _rows(engine: Looks, triggers: Sequence[TriggerRow], most: int) -> Rows:
    store = engine.store.together()
    found = await gather(*[store.list_events(row.id, limit=most, offset=0) for row in triggers])
    events = {row.id: of[::-1] for row, of in zip(triggers, found, strict=True)}
    runs = await store.runs_of([each.run_id for of in found for each in of])
    return Rows(await engine.store.now(), triggers, events, {row.id: row for row in runs})


def page(rows: Rows) -> TriggerPage:
    """A page of triggers."""
    return TriggerPage(tuple([_line(row, rows) for row in rows.triggers]), rows.more)


def one(rows: Rows) -> TriggerLine:
    """One trigger."""
    (row,) = rows.triggers
    return _line(row, rows)


def _line(row: TriggerRow, rows: Rows) -> TriggerLine:
    return TriggerLine(
        name=row.name,
        workflow_name=row.workflow_name,
        workflow=row.workflow,
        poll_seconds=row.poll_seconds,
        cron_expression=row.cron_expression,
        timezone=row.timezone,
        allow_concurrent=row.allow_concurrent,
        enabled=row.enabled,
        last_poll=rfc3339_or_none(row.last_poll_at),
        next_poll=rfc3339_or_none(row.next_poll_at),
        late=_late(row, rows.now),
        created_at=rfc3339(row.created_at),
        updated_at=rfc3339(row.updated_at),
        events=tuple([_event(each, rows) for each in rows.events[row.id]]),
        last_error=row.last_error,
        failing_since=rfc3339_or_none(row.failing_since),
        failed_polls=row.failed_polls,
    )


def failing(rows: Sequence[TriggerRow]) -> tuple[FailingTrigger, ...]:
    """The triggers whose last poll failed."""
    return tuple(
        [
            FailingTrigger(
                row.name,
                row.workflow_name,
                row.last_error or "",
                rfc3339(row.failing_since or row.updated_at),
                row.failed_polls,
            )
            for row in rows
        ]
    )


def _late(row: TriggerRow, now: Instant) -> float | None:
    if row.workflow is None or not row.enabled or row.next_poll_at is None:
        return None
    late = (now - row.next_poll_at) / SECOND
    return late if late > LATE else None


def _event(row: EventRow, rows: Rows) -> EventLine:
    run = line_of(rows.runs, row.run_id, rows.now)
    return EventLine(rfc3339(row.created_at), row.run_id, run)
