"""Begins child runs for which bodies wait, and reads how they have ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cloaca_core.definition.handles.child_calls import BegunChild
from cloaca_core.errors import RunnerUsageError, no_run
from cloaca_core.values.child_kinds import RUN_WORKFLOW
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.observe.run_reader import RunReader
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.engine.submit.submitter import Submitter
    from cloaca_core.features.child_runs.part import ChildRunStore
    from cloaca_core.run.rows import RunRow

DEEPEST: Final = 50
"""So many runs may be one above the other."""


class ChildRuns:
    """Belongs to the engine's loop."""

    def __init__(
        self, store: ChildRunStore, runs: ActiveRuns, submitter: Submitter, reader: RunReader
    ) -> None:
        self._store = store
        self._runs = runs
        self._submitter = submitter
        self._reader = reader

    async def begin(self, request: Request) -> BegunChild:
        """Start a child run of the body that asks, or find the one that this call has started. A
        body that waits at once holds a place, so its child begins here without one.
        """
        parent = request.parent
        if parent is not None and self._runs.owns(parent):
            parent.owner.awaits_children = True
            await self._refuse_deep(parent)
            request = replace(request, by_right=request.child_kind == RUN_WORKFLOW)
        (run_id,), known = await self._submitter.accept(request)
        if not known:
            return BegunChild(run_id, 1)
        row = await self._reader.get_run(run_id)
        return BegunChild(run_id, row.round, row.status == RunStatus.COMPLETED)

    async def _refuse_deep(self, parent: Attempt) -> None:
        row = parent.owner.row
        if row.parent_id is None:
            return
        if await self._store.runs_above(row.id, DEEPEST) >= DEEPEST - 1:
            raise too_deep(row)

    async def ended(self, run_id: str, number: int) -> RunRow:
        """A run as this round of it has ended."""
        row = await self._reader.get_run(run_id)
        if row.round == number:
            return row
        if (earlier := await self._reader.of_round(row, number)) is None:
            raise no_run(run_id)
        return earlier[0]


def too_deep(row: RunRow) -> RunnerUsageError:
    """Make the error for a run that can have no child, as its tree is too deep."""
    return RunnerUsageError(
        f"run {row.id} has {DEEPEST - 1} runs above it already: a tree of runs is at most "
        f"{DEEPEST} deep; does {row.workflow} run itself without end?"
    )
