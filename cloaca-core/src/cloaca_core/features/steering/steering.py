"""Writes requests about runs and workflows.

The store itself changes runs without an owner. A request about a run of this runner is acted on
before the call returns; other owners read it in their ``SteeringLoop``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.reruns.child_retries import ChildRetries
from cloaca_core.features.reruns.forks import Forks
from cloaca_core.features.reruns.newest_definitions import NewestDefinitions
from cloaca_core.features.reruns.retries import Retries
from cloaca_core.features.steering.acts import Acts
from cloaca_core.features.steering.bulk import Bulk
from cloaca_core.features.steering.children import Children
from cloaca_core.features.steering.due_runs import DueRuns
from cloaca_core.features.steering.steering_loop import SteeringLoop
from cloaca_core.features.steering.unseen_ends import UnseenEnds
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.order import Order
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
    from cloaca_core.features.reruns.part import RerunStore
    from cloaca_core.store.acts import Acted
    from cloaca_core.values.ids import RunIds


class Steering:
    """Belongs to the engine's loop. ``workflows`` returns the workflows that this runner executes:
    none for a client. ``hear_of_ends`` wakes callers that wait for ends that only the tables have.
    """

    def __init__(
        self,
        store: RerunStore,
        definitions: RecordedDefinitions,
        workflows: Callable[[], list[str]],
        orchestrator: Orchestrator,
        runner_id: RunnerId,
        ids: RunIds,
        hear_of_ends: Callable[[], Awaitable[None]],
        subjects: Subjects,
        grace: float = 0.0,
    ) -> None:
        self._store = store
        self._acts = acts = Acts(ids, store.wall)
        self._subjects = subjects
        ends, newest = UnseenEnds(hear_of_ends), NewestDefinitions(definitions)
        self.due_runs: DueRuns = DueRuns(store, acts, ends, subjects)
        self.children: Children = Children(store, acts, ends, subjects, grace)
        self.loop: SteeringLoop = SteeringLoop(
            store,
            workflows,
            orchestrator,
            runner_id,
            ends,
            self.children,
            self.due_runs,
            subjects,
        )
        self.retries: Retries = Retries(store, newest, acts.of, subjects, self.children.cancel_of)
        self.child_retries: ChildRetries = ChildRetries(store, self.retries)
        self.bulk: Bulk = Bulk(store, self.retries, acts.of, subjects)
        self.forks: Forks = Forks(store, newest, ids, acts.of, subjects)

    async def cancel(
        self, run_ids: Collection[str], order: Order, grace: float, *, children: bool
    ) -> dict[str, Acted]:
        """Cancel runs. Their owners must end them within ``grace`` seconds."""
        act = self._acts.of(order)
        deadline = act.now + round(grace * SECOND)
        acted = await self._store.cancel(run_ids, act, deadline, children=children)
        await self.loop.act_if_ours(run_ids)
        self._subjects.ended_elsewhere.publish()
        # Another run of a schedule may have waited for one of these.
        self._subjects.claimable.publish()
        return acted

    async def pause(
        self, run_ids: Collection[str], order: Order, until: int | None, *, children: bool
    ) -> dict[str, Acted]:
        """Pause runs, until an instant in µs or (None) until they are resumed."""
        act = self._acts.of(order)
        acted = await self._store.pause(run_ids, act, until, children=children)
        await self.loop.act_if_ours(run_ids)
        self._subjects.display_changed.publish()
        return acted

    async def resume(
        self, run_ids: Collection[str], order: Order, content: str | None = None
    ) -> dict[str, Acted]:
        """Resume paused runs. Tasks that start then see the keys of ``content``, a JSON object, in
        place of their own.
        """
        acted = await self._store.resume(run_ids, self._acts.of(order), content)
        await self.loop.act_if_ours(run_ids)
        self._subjects.claimable.publish()
        return acted

    async def pause_workflow(self, workflow: str, order: Order, until: int | None) -> bool:
        """Pause a workflow until an instant or (None) until it is resumed: no runner claims runs of
        it.
        """
        changed = await self._store.pause_workflow(workflow, self._acts.of(order), until)
        self.loop.wake()
        self._subjects.display_changed.publish()
        return changed

    async def resume_workflow(self, workflow: str, order: Order) -> bool:
        """Let runners claim runs of a workflow again."""
        changed = await self._store.resume_workflow(workflow, self._acts.of(order))
        self._subjects.claimable.publish()
        return changed
