"""All that the page of a run shows, of one read: its tasks, their bars and why it is as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.observe import timeline as lines, tree as trees
from cloaca_core.observe.json_forms import Shown
from cloaca_core.observe.listing import Alone, read_alone, run_alone
from cloaca_core.observe.reading import read_kin
from cloaca_core.runner.explain.answer import explanation
from cloaca_core.runner.history import submitter
from cloaca_core.runner.results import rfc3339, rfc3339_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core._engine.observe.facts import Facts
    from cloaca_core._engine.observe.onlooker import Looks
    from cloaca_core.records.runs import RunRow
    from cloaca_core.records.steering import ChildRow
    from cloaca_core.runner.explain.explanation import Explanation


@dataclass(frozen=True, slots=True)
class Inspection(Shown):
    """A run's ``tree``, whose run is as ``Observer.run`` has it, its ``timeline`` and
    ``explanation``. ``runner`` is the id of the runner that owns it, None for a run without one;
    ``lease_until`` the instant (RFC 3339) up to which that one counts as alive unless it renews its
    lease, None where it needs none.
    ``rounds`` are the instants (RFC 3339) at which its rounds after the first began.
    ``submitted_by`` is who has submitted it, None if that was not said.
    """

    tree: trees.RunTree
    timeline: lines.Timeline
    explanation: Explanation
    runner: str | None
    lease_until: str | None
    rounds: tuple[str, ...]
    submitted_by: str | None


class Snapshot(NamedTuple):
    """An inspection with the rows of its runs, without their payloads, and of their children: where
    all runs have ended, and these rows are the same, all else is as it was.
    """

    inspection: Inspection
    rows: Mapping[str, RunRow]
    children: Mapping[str, Sequence[ChildRow]]

    @property
    def has_ended(self) -> bool:
        """Whether nothing changes any more unless one of the runs is steered."""
        return all(row.ended_at is not None for row in self.rows.values())


class Evidence(NamedTuple):
    """The rows of all that is shown."""

    past: lines.Past
    alone: Alone
    facts: Facts


async def read(engine: Looks, run_id: str, depth: int) -> Evidence:
    """Read a family once, and what only its top shows; runs on the engine's loop."""
    past = await lines.read_past(engine, run_id, depth)
    alone = await read_alone(engine, run_id)
    return Evidence(past, alone, await engine.explainer.facts(run_id))


async def read_again(
    engine: Looks, run_id: str, depth: int, known: Snapshot | None
) -> Evidence | Snapshot:
    """The same; of a family that has ended, and is as it is known, no more than its rows."""
    if known is not None and known.has_ended:
        kin = await read_kin(engine, run_id, depth)
        if _bare(kin.rows) == known.rows and kin.children == known.children:
            return known
    return await read(engine, run_id, depth)


def snapshot(found: Evidence | Snapshot) -> Snapshot:
    """Shape what was read; what is known stays."""
    if isinstance(found, Snapshot):
        return found
    family = found.past.family
    rows = {run_id: view.row for run_id, view in family.views.items()}
    return Snapshot(inspection(found), _bare(rows), family.children)


def inspection(found: Evidence) -> Inspection:
    """Shape all of it."""
    family = found.past.family
    row = family.views[family.top].row
    return Inspection(
        tree=replace(trees.tree(family), run=run_alone(*found.alone)),
        timeline=lines.timeline(found.past),
        explanation=explanation(found.facts),
        runner=row.owner,
        lease_until=_lease_until(found.facts),
        rounds=_begun_again(found.past),
        submitted_by=submitter(found.past.acts),
    )


def _bare(rows: Mapping[str, RunRow]) -> dict[str, RunRow]:
    """Rows without payloads, which are large, and change with the round of a run only."""
    return {each: row._replace(input="", final_context=None) for each, row in rows.items()}


def _lease_until(facts: Facts) -> str | None:
    owner = facts.standing.row.owner
    states = [each for each in facts.runners if each.load.row.id == owner and not each.is_here]
    return rfc3339_or_none(states[0].lease_until) if states else None


def _begun_again(past: lines.Past) -> tuple[str, ...]:
    row = past.family.views[past.family.top].row
    begun = {each.round: each.started_at for each in past.rounds.get(row.id, ())}
    begun[row.round] = row.started_at
    return tuple([rfc3339(at) for number, at in sorted(begun.items()) if number > 1 and at])
