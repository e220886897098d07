"""Recent activity: runs of the last hours by workflow, and the workflows that fail.

A workflow with few runs has each of them, a busy one counts of how many were made in each part of
the time. All of it is bounded, however many runs there are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.errors import CronExpressionError
from cloaca_core.features.schedules.tick_rows import timing_of
from cloaca_core.features.search.records import Condition, RunSearch
from cloaca_core.values.ids import first_id_of
from cloaca_core.values.namespace import short_name
from cloaca_core.values.option_names import RunStatus as StatusName
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.states import RunStatus
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none
from cloaca_core.views.results import run_info, run_status_name
from cloaca_tools.views.lists.listing import RunLine

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.schedules.records import ScheduleRow
    from cloaca_core.features.search.records import Failure
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.times.instants import Instant

PARTS: Final = 72
"""Parts of the time in which runs are counted."""
FEW: Final = 48
"""A workflow with no more runs has each of them."""
WORKFLOWS: Final = 200
"""Workflows that are looked at, by name."""
COUNTED: Final = 12_000
"""Runs of a part that are counted, of all workflows together."""
ROWS: Final = 1_000
"""Runs that are read for workflows with few."""
OPEN: Final = 300
"""How many unended runs are read, the newest first."""
FAILURES: Final = 1_000
"""Failures that are looked at."""
FAILING: Final = 10
"""How many failing workflows are shown."""
LAST: Final = 20
"""How many runs of a failing workflow are shown."""
SCHEDULES: Final = 500
"""Schedules that are looked at."""
TICKS: Final = 30
"""Ticks of each schedule."""
NEXT: Final = 8
AHEAD: Final = 6
"""It looks ahead for a part of the time: this is how many of them it looks back."""
HOUR: Final = 3_600 * SECOND
_DAY: Final = 24 * HOUR
_OPEN: Final = ("Running", "Waiting", "Paused", "Cancelling")
"""States of runs that have begun and not ended. Pending runs are not read: there may be very many.
"""


@dataclass(frozen=True, slots=True)
class ActiveRun(Shown):
    """A run on the line of time. ``waits_since`` is when a run that is Waiting or Paused came to
    stand still, as far as that is known.
    """

    id: str
    status: StatusName
    created_at: str
    started_at: str | None
    ended_at: str | None
    waits_since: str | None = None


@dataclass(frozen=True, slots=True)
class Lane(Shown):
    """A workflow in the time. ``made`` counts the runs that were made in each of the equal parts,
    up to ``counted`` in one. ``runs`` are those that go on, and if there are few also those that
    have ended, oldest first. ``failures`` are the ids and ends of runs that failed, oldest first.
    """

    workflow_name: str
    workflow: str
    made: tuple[int, ...]
    counted: int
    is_busy: bool
    runs: tuple[ActiveRun, ...]
    failures: tuple[tuple[str, str], ...]

    @property
    def total(self) -> int:
        """How many runs were made; at least so many, if a part has ``counted`` ones."""
        return sum(self.made)


@dataclass(frozen=True, slots=True)
class FailingWorkflow(Shown):
    """A workflow whose last run that ended has failed, or half of the last ones.

    ``last`` are the states of its last runs that ended, oldest first, at most 20; ``in_a_row`` of
    them failed at the end, the first at ``since``, all with the ``same_error`` or not.
    """

    workflow_name: str
    workflow: str
    newest: RunLine
    last: tuple[StatusName, ...]
    in_a_row: int
    since: str
    same_error: bool
    is_paused: bool


@dataclass(frozen=True, slots=True)
class Tick(Shown):
    """A tick of a schedule to come. ``schedule`` is its name, None for one without."""

    schedule: str | None
    workflow_name: str
    workflow: str
    at: str


@dataclass(frozen=True, slots=True)
class Activity(Shown):
    """Runs from ``since`` to ``at``, by workflow: those with failures first, then by their number.
    ``ticks`` are those of schedules until ``until``, a sixth of that time later; ``next`` is the
    next one of each schedule, the first 8.
    ``failing`` are workflows that failed in the last 24 hours and go on failing. ``all_failures``
    is false if there were more failures than were looked at: the newest 1,000.
    """

    at: str
    since: str
    lanes: tuple[Lane, ...]
    failing: tuple[FailingWorkflow, ...]
    all_failures: bool
    until: str
    ticks: tuple[Tick, ...]
    next: tuple[Tick, ...]


class Seen(NamedTuple):
    """The rows of an activity. ``last`` are the last runs of workflows that failed."""

    now: Instant
    since: Instant
    counted: int
    made: Mapping[str, Sequence[int]]
    rows: Sequence[RunRow]
    waits: Mapping[str, Instant]
    failures: Sequence[Failure]
    last: Mapping[str, Sequence[RunRow]]
    paused: frozenset[str]
    schedules: Sequence[ScheduleRow]

    @property
    def until(self) -> Instant:
        """How far it looks ahead."""
        return self.now + (self.now - self.since) // AHEAD


async def read(engine: Looks, length: int) -> Seen:
    """The last ``length`` µs; runs on the engine's loop."""
    store = engine.store
    now = await store.now()
    since = now - length
    names = await _names(engine)
    counted = max(50, COUNTED // max(len(names), 1))
    edges = [first_id_of(since + length * part // PARTS) for part in range(PARTS + 1)]
    made = dict(zip(names, await store.count_made(names, edges, counted), strict=True))
    failures = await store.failures_since(now - _DAY, FAILURES)
    rows = await _rows(engine, made, since)
    failed = list(dict.fromkeys([each.workflow for each in failures]))[:FAILING]
    return Seen(
        now=now,
        since=since,
        counted=counted,
        made=made,
        rows=rows,
        waits=await _waits(engine, rows),
        failures=failures,
        last={name: await _newest(engine, name) for name in failed},
        paused=frozenset(await store.paused_workflows()),
        schedules=await store.list_schedules(enabled_only=True, limit=SCHEDULES, offset=0),
    )


async def _names(engine: Looks) -> list[str]:
    names = {each.workflow for each in await engine.store.list_definitions()}
    names.update(engine.registry.namespaces())
    return sorted(names)[:WORKFLOWS]


async def _rows(
    engine: Looks, made: Mapping[str, Sequence[int]], since: Instant
) -> Sequence[RunRow]:
    """Runs that go on, and those of workflows with few runs, also if they were made up to
    a day before and ended since.
    """
    few = tuple([name for name, parts in made.items() if sum(parts) <= FEW])
    is_open = Condition("status", _OPEN)
    rows = list((await engine.store.search(RunSearch((is_open,), look_at=OPEN))).rows)
    if few:
        of_few = RunSearch((Condition("workflow", few),), look_at=ROWS)
        found = await engine.store.search(of_few._replace(after=first_id_of(since - _DAY)))
        rows += [row for row in found.rows if row.ended_at is not None and row.ended_at >= since]
    return rows


async def _waits(engine: Looks, rows: Sequence[RunRow]) -> Mapping[str, Instant]:
    """Since when each of these runs waits."""
    ids = [row.id for row in rows if row.status == RunStatus.WAITING]
    found: dict[str, Instant] = {}
    for wait in await engine.store.waits(ids) if ids else ():
        found[wait.run_id] = min(wait.opened_at, found.get(wait.run_id, wait.opened_at))
    return found


async def _newest(engine: Looks, workflow: str) -> Sequence[RunRow]:
    wanted = RunSearch((Condition("workflow", (workflow,)),), look_at=2 * LAST)
    rows = (await engine.store.search(wanted)).rows
    return [row for row in rows if row.ended_at is not None][:LAST]


def activity(seen: Seen) -> Activity:
    """The activity of these rows."""
    failing = [_failing(name, seen) for name in seen.last]
    return Activity(
        at=rfc3339(seen.now),
        since=rfc3339(seen.since),
        lanes=_lanes(seen),
        failing=tuple([each for each in failing if each is not None]),
        all_failures=len(seen.failures) < FAILURES,
        until=rfc3339(seen.until),
        ticks=_ticks(seen),
        next=_next(seen),
    )


def _ticks(seen: Seen) -> tuple[Tick, ...]:
    ticks = []
    for row in seen.schedules:
        with suppress(CronExpressionError):  # another version has written it
            found = timing_of(row).between(seen.now, seen.until, TICKS)
            ticks += [_tick(row, at) for at in found]
    return tuple(ticks)


def _next(seen: Seen) -> tuple[Tick, ...]:
    rows = [(row.next_tick, row) for row in seen.schedules if row.next_tick is not None]
    return tuple([_tick(row, at) for at, row in sorted(rows, key=lambda it: it[0])[:NEXT]])


def _tick(row: ScheduleRow, at: Instant) -> Tick:
    return Tick(row.name, short_name(row.workflow), row.workflow, rfc3339(at))


def _lanes(seen: Seen) -> tuple[Lane, ...]:
    runs: dict[str, list[RunRow]] = defaultdict(list)
    for row in seen.rows:
        runs[row.workflow].append(row)
    failures: dict[str, list[Failure]] = defaultdict(list)
    for each in seen.failures:
        if each.ended_at >= seen.since:
            failures[each.workflow].append(each)
    names = [name for name in {**seen.made, **runs} if runs[name] or any(seen.made.get(name, ()))]
    lanes = [_lane(name, seen, runs[name], failures[name]) for name in names]
    return tuple(sorted(lanes, key=lambda it: (not it.failures, -it.total, it.workflow_name)))


def _lane(name: str, seen: Seen, rows: Sequence[RunRow], failures: Sequence[Failure]) -> Lane:
    made = tuple(seen.made.get(name, (0,) * PARTS))
    oldest_first = sorted(rows, key=lambda row: row.id)
    return Lane(
        workflow_name=short_name(name),
        workflow=name,
        made=made,
        counted=seen.counted,
        is_busy=sum(made) > FEW,
        runs=tuple([_active_run(row, seen.waits.get(row.id)) for row in oldest_first]),
        failures=tuple([(each.run_id, rfc3339(each.ended_at)) for each in reversed(failures)]),
    )


def _active_run(row: RunRow, waits_since: Instant | None) -> ActiveRun:
    return ActiveRun(
        id=row.id,
        status=run_status_name(row),
        created_at=rfc3339(row.created_at),
        started_at=rfc3339_or_none(row.started_at),
        ended_at=rfc3339_or_none(row.ended_at),
        waits_since=rfc3339_or_none(waits_since),
    )


def _failing(name: str, seen: Seen) -> FailingWorkflow | None:
    """The workflow, unless it has recovered."""
    ended = sorted(seen.last[name], key=lambda row: row.ended_at or 0, reverse=True)
    failed = [row for row in ended if row.status == RunStatus.FAILED]
    in_a_row = next((n for n, row in enumerate(ended) if row not in failed), len(ended))
    if not failed or (not in_a_row and 2 * len(failed) < len(ended)):
        return None
    told = ended[:in_a_row] or failed
    errors = Counter([row.error_message for row in told])
    return FailingWorkflow(
        workflow_name=short_name(name),
        workflow=name,
        newest=run_info(told[0], seen.now),
        last=tuple([run_status_name(row) for row in reversed(ended)]),
        in_a_row=in_a_row,
        since=rfc3339(told[-1].ended_at or 0),
        same_error=len(errors) == 1,
        is_paused=name in seen.paused,
    )
