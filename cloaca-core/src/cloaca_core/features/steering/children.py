"""Cancels, pauses and resumes children with their parents.

That happens level by level, parents first. Any runner that reads of a parent does it; the first one
wins. Children of an attached child that has ended count as children of the run above it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.runtime import failpoints
from cloaca_core.features.steering.acts import RUNS_PER_ACT
from cloaca_core.features.steering.records import Parent
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.steering.acts import Acts
    from cloaca_core.features.steering.part import SteeringStore
    from cloaca_core.features.steering.records import Act, StoppedWithParent
    from cloaca_core.features.steering.unseen_ends import UnseenEnds


class Children:
    """Belongs to the engine's loop. Owners of children whose parent has failed have ``grace``
    seconds to end them.
    """

    def __init__(
        self,
        store: SteeringStore,
        acts: Acts,
        ends: UnseenEnds,
        subjects: Subjects,
        grace: float = 0.0,
    ) -> None:
        self._grace = round(grace * SECOND)
        self._store = store
        self._acts = acts
        self._ends = ends
        self._subjects = subjects

    async def follow(self, parents: Sequence[Parent]) -> None:
        """Cancel, pause or resume one level of children of these parents. Forget the parents that
        have none left.
        """
        cancelled = {each.run_id: each for each in parents if each.deadline is not None}
        paused = {each.run_id: each for each in parents if each.deadline is None}
        finished: list[str] = []
        if cancelled:
            found = await self._to_cancel(list(cancelled))
            finished += [] if found else cancelled
            for run_id, children in _by_parent(found).items():
                await self._cancel_with(cancelled[run_id], children)
        if paused:
            found = await self._out_of_step(list(paused))
            finished += [] if found else paused
            for run_id, children in _by_parent(found).items():
                act = self._acts.of_parent(paused[run_id])
                await self._store.bring_into_step(run_id, children, act)
                failpoints.hit("steer.after_level")
                self._subjects.claimable.publish()
        if finished:
            await self._store.forget_children(finished)

    async def _to_cancel(self, parent_ids: list[str]) -> list[tuple[str, str]]:
        store = self._store
        found = await store.children_under_way(parent_ids, RUNS_PER_ACT)
        return found or await store.descendants_under_way(parent_ids, RUNS_PER_ACT)

    async def _out_of_step(self, parent_ids: list[str]) -> list[tuple[str, str]]:
        store = self._store
        found = await store.children_out_of_step(parent_ids, RUNS_PER_ACT)
        return found or await store.descendants_out_of_step(parent_ids, RUNS_PER_ACT)

    async def _cancel_with(self, parent: Parent, run_ids: list[str]) -> None:
        assert parent.deadline is not None
        act, ended = self._acts.of_parent(parent), parent.run_id
        deadline = act.now + self._grace if parent.has_failed else parent.deadline
        await self._store.cancel(run_ids, act, deadline, children=True, parent_id=ended)
        failpoints.hit("steer.after_level")
        self._ends.note()  # a body here may wait for one of them
        self._subjects.claimable.publish()

    async def cancel_of(self, run_ids: Collection[str]) -> None:
        """Cancel the children of these runs that must still be cancelled: the next rounds of the
        runs are about to begin.
        """
        while parents := await self._store.ended_parents(run_ids):
            await self.follow(parents)

    async def stop_with_parents(self, run_ids: Collection[str]) -> set[str]:
        """Cancel or pause claimed children whose parent is being cancelled with its children, was
        cancelled so, or is paused with them. Such children were inserted by transactions that do
        not look at the parent. Returns them, and the children that were paused since their claim.
        """
        stopped_with_parents = await self._store.stopped_with_parents(run_ids)
        for run in stopped_with_parents:
            act, parent_id = self._act_on(run), run.parent_id
            await self._store.cancel([run.id], act, act.now, children=True, parent_id=parent_id)
        stopped = {run.id for run in stopped_with_parents}
        for run in await self._store.paused_with_parents(run_ids):
            if run.id not in stopped:
                act = self._act_on(run)
                await self._store.bring_into_step(run.parent_id, [run.id], act)
                stopped.add(run.id)
        return stopped

    async def keys(self, parent_id: str) -> set[str | None]:
        """The idempotency keys of the runs that this run has submitted."""
        return {child.idempotency_key for child in await self._store.children([parent_id])}

    def _act_on(self, run: StoppedWithParent) -> Act:
        return self._acts.of_parent(Parent(run.parent_id, run.because, None, run.has_failed))


def _by_parent(found: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The children of each parent."""
    children: dict[str, list[str]] = {}
    for parent_id, child_id in found:
        children.setdefault(parent_id, []).append(child_id)
    return children
