"""Lines of lists: runs as they are listed, and a page of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.observe.json_forms import Shown
from cloaca_core.observe.owners import without_runner
from cloaca_core.records.states import RunStatus as RowStatus
from cloaca_core.records.waits import NEVER
from cloaca_core.runner.results import (
    Wait,
    main_wait,
    ran_version,
    rfc3339,
    rfc3339_or_none,
    run_status_name,
    shown_wait,
    tags_of,
)
from cloaca_core.values.instants import SECOND
from cloaca_core.values.namespace import short_name
from cloaca_core.values.option_names import RunStatus

if TYPE_CHECKING:
    from cloaca_core._engine.observe.onlooker import Looks
    from cloaca_core._engine.observe.run_reader import RunFacts
    from cloaca_core.observe.search import Page
    from cloaca_core.records.runs import RunRow
    from cloaca_core.records.waits import WaitRow
    from cloaca_core.values.instants import Instant


@dataclass(frozen=True, slots=True)
class RunLine(Shown):
    """A run, as ``RunInfo`` has it, with the full name of its workflow and its ``seconds`` from
    start to end, or until now. ``runner_gone`` is true while a runner owns it that has died or lost
    its lease; lists of runs and a look at one tell that, and ``waits_for``. Listings leave the
    three before that None.
    """

    id: str
    workflow_name: str
    workflow: str
    version: str
    status: RunStatus
    created_at: str
    started_at: str | None
    ended_at: str | None
    seconds: float | None
    error_message: str | None
    tags: Mapping[str, str]
    round: int
    priority: int
    parent_id: str | None
    schedule_id: str | None
    reason: str | None
    due_at: str | None
    ran_version: str | None = None
    runner_gone: bool | None = None
    active_bodies: int | None = None
    forked_from: str | None = None
    follows: str | None = None
    waits_for: Wait | None = None


@dataclass(frozen=True, slots=True)
class RunPage(Shown):
    """Runs, newest first. ``next`` is the id to go on ``before``, None after the last run.

    A search that looks at many runs and finds few ends early: then there are fewer runs than were
    asked for, and a ``next``.
    """

    runs: tuple[RunLine, ...]
    next: str | None


def run_line(row: RunRow, now: Instant) -> RunLine:
    """A run's line in a listing."""
    return RunLine(
        id=row.id,
        workflow_name=short_name(row.workflow),
        workflow=row.workflow,
        version=row.version,
        status=run_status_name(row),
        created_at=rfc3339(row.created_at),
        started_at=rfc3339_or_none(row.started_at),
        ended_at=rfc3339_or_none(row.ended_at),
        seconds=seconds_between(row.started_at, row.ended_at, now),
        error_message=row.error_message,
        tags=tags_of(row.tags),
        round=row.round,
        priority=row.priority,
        parent_id=row.parent_id,
        schedule_id=row.schedule_id,
        reason=row.steer_reason,
        due_at=None if row.due_at == NEVER else rfc3339_or_none(row.due_at),
        ran_version=ran_version(row),
    )


def run_alone(facts: RunFacts, now: Instant, *, is_lost: bool) -> RunLine:
    """A run with what only a look at it tells."""
    line, main = run_line(facts.row, now), main_wait(facts.waits)
    return replace(
        line,
        runner_gone=is_lost,
        active_bodies=facts.active_bodies,
        forked_from=facts.forked_from,
        follows=facts.follows,
        waits_for=None if main is None else shown_wait(main),
    )


class Listed(NamedTuple):
    """Runs of a list, the ids of those that are ``lost``, and the waits of those that wait."""

    page: Page
    lost: Collection[str]
    waits: Sequence[WaitRow]


async def read_page(engine: Looks, page: Page) -> Listed:
    """Read the owners and waits of the runs of a list; runs on the engine's loop."""
    waiting = [row.id for row in page.rows if row.status == RowStatus.WAITING]
    waits = await engine.store.waits(waiting) if waiting else []
    return Listed(page, await without_runner(engine, page.rows), waits)


def run_page(listed: Listed) -> RunPage:
    """A page of runs."""
    rows, next_id, now = listed.page
    lines = [
        replace(
            run_line(row, now),
            runner_gone=row.id in listed.lost,
            waits_for=_wait_of(row, listed.waits) if row.status == RowStatus.WAITING else None,
        )
        for row in rows
    ]
    return RunPage(tuple(lines), next_id)


def _wait_of(row: RunRow, waits: Sequence[WaitRow]) -> Wait | None:
    """The wait of a run that is told first; without one it waits for its next attempt."""
    if (main := main_wait([each for each in waits if each.run_id == row.id])) is not None:
        return shown_wait(main)
    due = None if row.due_at == NEVER else rfc3339_or_none(row.due_at)
    return None if due is None else Wait("retry", until=due)


def seconds_between(start: Instant | None, end: Instant | None, now: Instant) -> float | None:
    """From start to end, or until now; None before the start. Never below 0: clocks may differ."""
    if start is None:
        return None
    return max(0, (now if end is None else end) - start) / SECOND


class Alone(NamedTuple):
    """A run, when it was looked at, and whether it is lost."""

    facts: RunFacts
    now: Instant
    is_lost: bool


def shown_alone(alone: Alone) -> RunLine:
    """A run alone."""
    return run_alone(alone.facts, alone.now, is_lost=alone.is_lost)


async def read_alone(engine: Looks, run_id: str) -> Alone:
    """All that is known of a run alone; runs on the engine's loop."""
    facts = await engine.reader.facts(run_id)
    lost = await without_runner(engine, [facts.row])
    return Alone(facts, engine.store.wall(), run_id in lost)
