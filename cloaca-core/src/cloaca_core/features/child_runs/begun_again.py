"""Begins the failed child runs of nodes again in a later round of their parent."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cloaca_core.errors import CloacaError, no_run
from cloaca_core.features.waits.mail import persistently

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.features.child_runs.node_start import EarlierChildren, NodeStart
    from cloaca_core.features.child_runs.part import ChildRunStore
    from cloaca_core.features.child_runs.run_tasks import RunTasks
    from cloaca_core.features.reruns.child_retries import ChildRetries
    from cloaca_core.run.active_run import ActiveRun


class BegunAgain:
    """Belongs to the engine's loop. ``found`` is called for each child that has begun again,
    and ``refused`` for each other child, with the reason.
    """

    def __init__(
        self,
        store: ChildRunStore,
        retries: ChildRetries,
        tasks: RunTasks,
        kernel: Orchestrator,
        found: Callable[[NodeStart, EarlierChildren], None],
        refused: Callable[[NodeStart, CloacaError], None],
    ) -> None:
        self._store = store
        self._retries = retries
        self._tasks = tasks
        self._kernel = kernel
        self._found = found
        self._refused = refused
        self._asked: dict[ActiveRun, list[tuple[NodeStart, EarlierChildren]]] = {}

    def begin(self, start: NodeStart, earlier: EarlierChildren) -> None:
        """Begin the latest child of this node again; those of one moment in one transaction."""
        run = start.run
        if run not in self._asked:
            self._asked[run] = []
            self._tasks.keep(run, self._begin(run))
        self._asked[run].append((start, earlier))

    async def _begin(self, run: ActiveRun) -> None:
        asked = self._asked.pop(run)
        try:
            latest = [earlier.latest for _, earlier in asked]
            refused = dict(await persistently(partial(self._retries.begin, run.row, latest)))
            rows = {}
            for row in latest:
                rows[row.id] = await persistently(partial(self._store.get_run, row.id))
        except CloacaError as error:
            for start, _ in asked:
                self._kernel.guarded(run, self._refused, start, error)
            return
        for start, earlier in asked:
            now = rows[earlier.latest.id]
            flaw = no_run(earlier.latest.id) if now is None else refused.get(now.id)
            if flaw is not None:
                self._kernel.guarded(run, self._refused, start, flaw)
            elif now is not None:
                again = start._replace(begun_again=True)
                self._kernel.guarded(run, self._found, again, earlier._replace(latest=now))

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or this runner no longer owns it."""
        self._asked.pop(run, None)
