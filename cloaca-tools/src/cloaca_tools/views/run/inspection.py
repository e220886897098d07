"""All that the page of a run shows, of one read: its tasks, their bars and why it is as it is."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.errors import RunNotFoundError
from cloaca_core.features.explain.explainer import MOST
from cloaca_core.features.steering.records import ActSearch
from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.views.explain.answer import explanation
from cloaca_core.views.history import submitter
from cloaca_core.views.results import info_alone
from cloaca_core.views.run_past import ACTS_SHOWN, facts_alone
from cloaca_tools.views.run import timeline as lines, tree as trees
from cloaca_tools.views.run.graph import Drawn, Graph, drawn_by, graph_of_tree
from cloaca_tools.views.run.history import Happening, happenings
from cloaca_tools.views.run.reading import family_of, read_kin, read_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.assembly.store import Store
    from cloaca_core.features.explain.facts import Facts, RunFacts, RunnerState
    from cloaca_core.features.schedules.records import ScheduleRow
    from cloaca_core.features.search.records import Kin
    from cloaca_core.store.acts import ActRow
    from cloaca_core.views.explain.explanation import Explanation
    from cloaca_tools.views.run.reading import Family, RunView


@dataclass(frozen=True, slots=True)
class Inspection(Shown):
    """A run's ``tree``, whose run is as ``Observer.run`` has it, its ``timeline`` and
    ``explanation``. ``runner`` is the id of the runner that owns it, None for a run without one;
    ``lease_until`` the instant (RFC 3339) up to which that one counts as alive unless it renews its
    lease, None where it needs none.
    ``rounds`` are the instants (RFC 3339) at which its rounds after the first began.
    ``submitted_by`` is who has submitted it, None if that was not said. ``schedule_name`` names the
    schedule that has made it, after its workflow if it has no name; None if that is gone, too.
    ``history`` is what happened to it and what people asked of it, newest first.
    """

    tree: trees.RunTree
    timeline: lines.Timeline
    explanation: Explanation
    runner: str | None
    lease_until: str | None
    rounds: tuple[str, ...]
    submitted_by: str | None
    schedule_name: str | None = None
    history: tuple[Happening, ...] = ()


class Snapshot(NamedTuple):
    """An inspection with the rows of its runs, without their payloads, and of their children: where
    all runs have ended, and these rows are the same, all else is as it was. ``graph`` is there if
    it was asked for, and the run has no more tasks than were to be drawn.
    """

    inspection: Inspection
    kin: Kin
    graph: Graph | None = None

    def is_drawn(self, most: int) -> bool:
        """Whether the graph is there, unless the run has more tasks than ``most``."""
        return self.graph is not None or len(self.inspection.tree.tasks) > most

    @property
    def has_ended(self) -> bool:
        """Whether nothing changes any more unless one of the runs is steered."""
        return all(row.ended_at is not None for row in self.kin.rows)


class Evidence(NamedTuple):
    """The rows of all that is shown. ``schedule`` is the schedule that has made the run, if it
    still exists.
    """

    kin: Kin
    family: Family
    alone: RunFacts
    facts: Facts
    acts: Sequence[ActRow]
    schedule: ScheduleRow | None

    @property
    def view(self) -> RunView:
        """The run at the top."""
        return self.family.views[self.family.top]

    @property
    def owner(self) -> RunnerState | None:
        """The runner that owns the run, if it is registered still."""
        states = {each.load.row.id: each for each in self.facts.runners}
        return states.get(self.view.row.owner or "")


async def read(engine: Looks, run_id: str, depth: int) -> Evidence:
    """Read a family once, and what only its top shows; runs on the engine's loop."""
    return await _read(engine, await read_kin(engine, run_id, depth))


async def _read(engine: Looks, kin: Kin) -> Evidence:
    row, store = kin.rows[0], engine.store.together()
    views, recorded, newest, acts, made_of, schedule = await gather(
        read_views(engine, kin.rows, store),
        store.recorded_run(row.id, MOST),
        store.newest_definitions([row.workflow]),
        store.search_acts(ActSearch(run_id=row.id), ACTS_SHOWN),
        gather(store.forks([row.id]), store.follow_ups([row.id])),
        _schedule(store, row.schedule_id),
    )
    if recorded is None:
        raise RunNotFoundError(f"no run with id {row.id!r}", run_id=row.id)
    alone = facts_alone(engine, recorded.row, *made_of, recorded.waits)
    facts = await engine.explainer.facts_of(recorded, newest, store)
    return Evidence(kin, family_of(engine, kin, views), alone, facts, acts, schedule)


async def _schedule(store: Store, schedule_id: str | None) -> ScheduleRow | None:
    return None if schedule_id is None else await store.get_schedule(schedule_id)


async def read_again(
    engine: Looks, run_id: str, depth: int, known: Snapshot | None, *, drawn: int
) -> tuple[Evidence, Drawn | None] | Snapshot:
    """The same; of a family that has ended, and is as it is known, no more than its rows. A run of
    up to ``drawn`` tasks has its graph.
    """
    kin = await read_kin(engine, run_id, depth)
    if known is not None and known.has_ended and known.kin == kin and known.is_drawn(drawn):
        return known
    found = await _read(engine, kin)
    is_drawn = len(found.view.tasks) <= drawn
    return found, await drawn_by(engine, found.family) if drawn and is_drawn else None


def snapshot(found: tuple[Evidence, Drawn | None] | Snapshot) -> Snapshot:
    """Shape what was read; what is known stays."""
    if isinstance(found, Snapshot):
        return found
    evidence, drawn = found
    seen = inspection(evidence)
    graph = None if drawn is None else graph_of_tree(seen.tree, drawn.definition)
    return Snapshot(seen, evidence.kin, graph)


def tree_of(found: Evidence) -> trees.RunTree:
    """The tree of a run; the run itself has the facts that listings do not read."""
    row, now, owner = found.view.row, found.facts.now, found.owner
    is_lost = owner is not None and row.ended_at is None and owner.is_gone(now)
    return replace(trees.tree(found.family), run=info_alone(found.alone, runner_gone=is_lost))


def inspection(found: Evidence) -> Inspection:
    """Shape all of it."""
    row, owner = found.view.row, found.owner
    return Inspection(
        tree=tree_of(found),
        timeline=lines.timeline(found.family, found.acts),
        explanation=explanation(found.facts),
        runner=row.owner,
        lease_until=None if owner is None or owner.is_here else rfc3339(owner.lease_until),
        rounds=_begun_again(found.view),
        submitted_by=submitter(found.acts),
        schedule_name=found.schedule and (found.schedule.name or short_name(row.workflow)),
        history=happenings(found.view, found.acts),
    )


def _begun_again(view: RunView) -> tuple[str, ...]:
    begun = {each.round: each.started_at for each in view.rounds}
    begun[view.row.round] = view.row.started_at
    return tuple([rfc3339(at) for number, at in sorted(begun.items()) if number > 1 and at])
