"""Writes down what callers ask of runs and workflows.

Runs without an owner are brought there by the store, our own before the call returns; the owners of
all others read of it in their ``SteeringLoop``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core._engine.steer.acts import Acts
from cloaca_core._engine.steer.bulk import Bulk
from cloaca_core._engine.steer.children import Children
from cloaca_core._engine.steer.due_runs import DueRuns
from cloaca_core._engine.steer.forks import Forks
from cloaca_core._engine.steer.newest_definitions import NewestDefinitions
from cloaca_core._engine.steer.retries import Retries
from cloaca_core._engine.steer.steering_loop import SteeringLoop
from cloaca_core._engine.steer.unseen_ends import UnseenEnds
from cloaca_core.values.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from cloaca_core._engine.observe.recorded_definitions import RecordedDefinitions
    from cloaca_core._engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core._engine.recover.runner_id import RunnerId
    from cloaca_core.records.order import Order
    from cloaca_core.records.steering import Acted
    from cloaca_core.store.protocol import Store
    from cloaca_core.values.ids import RunIds


class Steering:
    """Belongs to the engine's loop. ``workflows`` returns those that this runner executes: none for
    a client. ``runs_came`` is called when runs may have become claimable, ``hear_of_ends`` tells
    waiters of ends that only the tables have, ``lost_runs`` is called when this runner owns runs
    that have not come to it.
    """

    def __init__(
        self,
        store: Store,
        definitions: RecordedDefinitions,
        workflows: Callable[[], list[str]],
        orchestrator: Orchestrator,
        runner_id: RunnerId,
        ids: RunIds,
        runs_came: Callable[[], None],
        hear_of_ends: Callable[[], Awaitable[None]],
        lost_runs: Callable[[], None],
        paused: Callable[[], None],
    ) -> None:
        self._store = store
        self._acts = acts = Acts(ids, store.wall)
        self._runs_came = runs_came
        self._paused = paused
        ends, newest = UnseenEnds(hear_of_ends), NewestDefinitions(definitions)
        self.due_runs: DueRuns = DueRuns(store, acts, ends, runs_came)
        self.children: Children = Children(store, acts, ends, runs_came)
        self.loop: SteeringLoop = SteeringLoop(
            store,
            workflows,
            orchestrator,
            runner_id,
            ends,
            self.children,
            self.due_runs,
            lost_runs,
            runs_came,
        )
        self.retries: Retries = Retries(store, newest, acts.of, runs_came, self.children.cancel_of)
        self.bulk: Bulk = Bulk(store, self.retries, acts.of, self._steered_many)
        self.forks: Forks = Forks(store, newest, ids, acts.of, runs_came)

    async def cancel(
        self, run_ids: Collection[str], order: Order, grace: float, *, children: bool
    ) -> dict[str, Acted]:
        """Cancel runs; what owners do for it they do within ``grace`` seconds."""
        act = self._acts.of(order)
        deadline = act.now + round(grace * SECOND)
        acted = await self._store.cancel(run_ids, act, deadline, children=children)
        await self.loop.heed_if_ours(run_ids)
        self.loop.look_at_ends()
        self._runs_came()  # another run of a schedule may have waited for one of these
        return acted

    async def pause(
        self, run_ids: Collection[str], order: Order, until: int | None, *, children: bool
    ) -> dict[str, Acted]:
        """Pause runs, until an instant in µs or (None) until they are resumed."""
        act = self._acts.of(order)
        acted = await self._store.pause(run_ids, act, until, children=children)
        await self.loop.heed_if_ours(run_ids)
        self._paused()
        return acted

    async def resume(
        self, run_ids: Collection[str], order: Order, content: str | None = None
    ) -> dict[str, Acted]:
        """Let paused runs go on. Tasks that start then see the keys of ``content``, a JSON object,
        in place of those that they would have.
        """
        acted = await self._store.resume(run_ids, self._acts.of(order), content)
        await self.loop.heed_if_ours(run_ids)
        self._runs_came()
        return acted

    async def pause_workflow(self, workflow: str, order: Order, until: int | None) -> bool:
        """Have no run of a workflow claimed, until an instant or (None) until that is ended."""
        changed = await self._store.pause_workflow(workflow, self._acts.of(order), until)
        self.loop.wake()
        self._paused()
        return changed

    async def resume_workflow(self, workflow: str, order: Order) -> bool:
        """Let runs of a workflow be claimed again."""
        changed = await self._store.resume_workflow(workflow, self._acts.of(order))
        self._runs_came()
        return changed

    def _steered_many(self) -> None:
        self.loop.look_at_ends()
        self._runs_came()
