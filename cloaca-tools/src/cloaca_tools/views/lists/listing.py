"""Lines of lists: runs as they are listed, and a page of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.states import RunStatus as RowStatus
from cloaca_core.values.times.rfc3339 import rfc3339_or_none
from cloaca_core.values.waits import NEVER
from cloaca_core.views.results import RunInfo, info_alone, run_info
from cloaca_core.views.task_results import Wait, main_wait, shown_wait

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.explain.facts import RunFacts
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.times.instants import Instant
    from cloaca_tools.views.lists.search import Page


MOST_CHILDREN: Final = 1_000
"""Children of a run that a list counts."""
MOST_PLACES: Final = 1_000
"""Waits for places of limits that a list reads at a time."""

RunLine: TypeAlias = RunInfo
"""A run as lists of an ``Observer`` have it."""


@dataclass(frozen=True, slots=True)
class RunPage(Shown):
    """Runs, newest first. ``next`` is the id to go on ``before``, None after the last run.

    A search that looks at many runs and finds few ends early: then there are fewer runs than were
    asked for, and a ``next``.
    """

    runs: tuple[RunLine, ...]
    next: str | None


class Listed(NamedTuple):
    """Runs of a list, the ids of the ``lost`` runs, the waits of waiting runs, how many children
    each run has, and by run the limit for a place of which it waits.
    """

    page: Page
    lost: Collection[str]
    waits: Sequence[WaitRow]
    children: Mapping[str, int]
    limits: Mapping[str, str] = {}


async def read_page(engine: Looks, page: Page) -> Listed:
    """Read the owners and waits of the runs of a list; runs on the engine's loop."""
    waiting = [row.id for row in page.rows if row.status == RowStatus.WAITING]
    waits = await engine.store.waits(waiting) if waiting else []
    limits = await awaited_limits(engine, page.rows, waits)
    children = await children_of(engine, page.rows)
    return Listed(page, await without_runner(engine, page.rows), waits, children, limits)


async def awaited_limits(
    engine: Looks, rows: Sequence[RunRow], waits: Sequence[WaitRow]
) -> dict[str, str]:
    """By run the limit for a place of which it waits, of runs without an open wait: that of its
    first task that waits for one. Runs on the engine's loop.
    """
    others = {each.run_id for each in waits}
    ids = [row.id for row in rows if row.status == RowStatus.WAITING and row.id not in others]
    limits: dict[str, str] = {}
    while ids:
        found = await engine.store.limit_waits(ids, MOST_PLACES)
        for each in found:
            limits.setdefault(each.run_id, each.need[0])
        # The waits of one run may have filled the answer.
        ids = [each for each in ids if each not in limits] if len(found) == MOST_PLACES else []
    return limits


async def children_of(engine: Looks, rows: Sequence[RunRow]) -> dict[str, int]:
    """How many children each of these runs has, up to ``MOST_CHILDREN``; runs on the engine's
    loop.
    """
    links = await engine.store.links([row.id for row in rows], MOST_CHILDREN)
    return {each.run_id: each.children for each in links}


def run_page(listed: Listed) -> RunPage:
    """A page of runs."""
    rows, next_id, now = listed.page
    lines = [
        replace(
            run_info(
                row,
                now,
                runner_gone=row.id in listed.lost,
                children=listed.children.get(row.id, 0),
            ),
            waits_for=wait_of(row, listed.waits, listed.limits),
        )
        for row in rows
    ]
    return RunPage(tuple(lines), next_id)


def line_of(runs: Mapping[str, RunRow], run_id: str | None, now: Instant) -> RunLine | None:
    """The line of the run that a tick or an event has made; None if there is none any more."""
    row = None if run_id is None else runs.get(run_id)
    return None if row is None else run_info(row, now)


def wait_of(row: RunRow, waits: Sequence[WaitRow], limits: Mapping[str, str]) -> Wait | None:
    """The wait of a waiting run that is shown first; without one it waits for a place of a limit,
    or else for its next attempt.
    """
    if row.status != RowStatus.WAITING:
        return None
    if (main := main_wait([each for each in waits if each.run_id == row.id])) is not None:
        return shown_wait(main)
    if (limit := limits.get(row.id)) is not None:
        return Wait("limit", limit)
    due = None if row.due_at == NEVER else rfc3339_or_none(row.due_at)
    return None if due is None else Wait("retry", until=due)


async def read_alone(engine: Looks, run_id: str) -> tuple[RunFacts, bool]:
    """All that is known of a run alone, and whether its runner is gone; runs on the engine's
    loop.
    """
    from cloaca_core.views.run_past import facts_of  # here: a list of runs reads less

    facts = await facts_of(engine, run_id)
    return facts, run_id in await without_runner(engine, [facts.row])


def shown_alone(found: tuple[RunFacts, bool]) -> RunLine:
    """A run alone."""
    facts, is_lost = found
    return info_alone(facts, runner_gone=is_lost)


async def without_runner(engine: Looks, rows: Sequence[RunRow]) -> frozenset[str]:
    """The ids of the runs whose runner is gone, which another runner is to take over. Reads the
    runners once for all runs, and only if a run has an owner; runs on the engine's loop.
    """
    owners = {row.id: row.owner for row in rows if row.owner is not None and row.ended_at is None}
    if not owners:
        return frozenset()
    runners, now = await engine.explainer.leases()
    gone = {each.load.row.id for each in runners if each.is_gone(now)}
    return frozenset([run_id for run_id, owner in owners.items() if owner in gone])
