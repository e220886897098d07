"""A run with the runs below it, without their tasks, as ``run.tree()`` returns it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.definition.waits.kinds import Loop
from cloaca_core.values.child_kinds import Place, at_places, place_of
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.views.results import RunInfo, run_info

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.features.search.records import Link
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.times.instants import Instant


@dataclass(frozen=True, slots=True)
class RunBranch(Shown):
    """A run in a tree of runs, with its ``children``, oldest first.

    ``task`` is the task or node of its parent that began it, None at the top and where its body
    gave an ``idempotency_key``. ``call`` is the number of the call in the body, or the ``key`` that
    it was given; ``iteration`` the number in a loop, from 1. ``index`` is the place of its item in
    a map of child runs, from 0. ``kind`` is ``node``,
    ``run_workflow`` or ``start_workflow``, None for a run of ``submit`` or ``execute``. ``hidden``
    is the number of its children that the tree leaves out. ``earlier`` are the runs that its node,
    item or iteration began before, oldest first, if it was begun anew with another run.
    """

    run: RunInfo
    task: str | None = None
    call: str | None = None
    iteration: int | None = None
    index: int | None = None
    kind: str | None = None
    children: tuple[RunBranch, ...] = ()
    hidden: int = 0
    earlier: tuple[RunBranch, ...] = ()


class Lineage(NamedTuple):
    """A run and those below it, level by level, with their links, and the definitions of the runs
    whose nodes have begun others.
    """

    now: Instant
    rows: Sequence[RunRow]
    links: Mapping[str, Link]
    definitions: Mapping[str, Workflow | RecordedWorkflow | None]


def run_branch(lineage: Lineage) -> RunBranch:
    """The tree of the first of the runs."""
    children: dict[str, list[RunRow]] = {}
    for row in lineage.rows[1:]:
        children.setdefault(row.parent_id or "", []).append(row)
    loops = {
        (run_id, task.id)
        for run_id, known in lineage.definitions.items()
        for task in (() if known is None else known.tasks)
        if isinstance(task.wait, Loop)
    }

    def placed(row: RunRow) -> Place | None:
        link = lineage.links.get(row.id)
        return place_of(row.parent_id or "", None if link is None else link.key)

    def branch(row: RunRow, parent_id: str, earlier: Sequence[RunRow] = ()) -> RunBranch:
        link, shown = lineage.links.get(row.id), children.get(row.id, [])
        place = (placed(row) if parent_id else None) or Place("")
        return RunBranch(
            run=run_info(row, lineage.now),
            task=place.task or None,
            call=place.call,
            iteration=place.number(in_loop=(parent_id, place.task) in loops),
            index=place.item,
            kind=row.child_kind if parent_id else None,
            children=tuple(
                [branch(child, row.id, before) for child, before in at_places(shown, placed)]
            ),
            hidden=0 if link is None else max(0, link.children - len(shown)),
            earlier=tuple([branch(each, parent_id) for each in earlier]),
        )

    return branch(lineage.rows[0], "")
