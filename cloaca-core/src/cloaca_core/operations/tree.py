"""The operation that reads a run with the runs below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.engine.calls.arguments import checked_limit, checked_run_id
from cloaca_core.errors import RunNotFoundError
from cloaca_core.values.child_kinds import NODE
from cloaca_core.views.run_tree import Lineage, RunBranch, run_branch

if TYPE_CHECKING:
    from cloaca_core.assembly.caller import Caller
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.engine.calls.call import Call

MOST_DEEP: Final = 50
"""Levels below the run; a tree of runs for which others wait has no more."""
_COUNTED: Final = 1_000_000
"""Children of each run that are counted at most."""


class Tree(NamedTuple):
    """A run with the runs below it, ``limit`` in all, the nearest to the run."""

    run_id: str
    limit: int = 1_000

    def call(self, caller: Caller) -> Call[RunBranch]:
        """See ``Operation``."""
        checked, most = checked_run_id(self.run_id), checked_limit(self.limit)
        return caller.look(lambda engine: _lineage(engine, checked, most), run_branch)


async def _lineage(engine: Looks, run_id: str, most: int) -> Lineage:
    """Two reads, however many levels there are, and one of each definition that is not known."""
    rows = await engine.store.runs_below(run_id, MOST_DEEP, most)
    if not rows:
        raise RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
    read = await engine.store.links([row.id for row in rows], _COUNTED)
    links = {each.run_id: each for each in read}
    with_nodes = {row.parent_id for row in rows[1:] if row.child_kind == NODE}
    parents = [row for row in rows if row.id in with_nodes]
    versions = {(row.workflow, row.version): row for row in parents}
    known = {key: await engine.definitions.of_run(row) for key, row in versions.items()}
    definitions = {row.id: known[row.workflow, row.version] for row in parents}
    return Lineage(engine.store.wall(), rows, links, definitions)
