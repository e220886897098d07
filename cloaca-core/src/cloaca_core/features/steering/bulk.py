"""Steers all runs that a filter selects, in chunks of one transaction each; a retry may take more.

A chunk that was written stays. A call that ended early may be repeated: runs that are already
changed are not selected again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.features.reruns.retry_plans import RETRIED
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from cloaca_core.engine.order import Order
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.reruns.retries import Retries
    from cloaca_core.features.steering.part import SteeringStore
    from cloaca_core.features.steering.records import Act
    from cloaca_core.run.rows import RunFilter, RunRow

CHUNK: Final = 500
"""The most runs that one transaction steers."""
PAGE: Final = 10_000
"""The most runs that one look-up finds: on SQLite each look-up reads all runs that have not
ended.
"""
_STATES: Final[Mapping[str, Sequence[RunStatus]]] = {
    "cancel": (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING, RunStatus.PAUSED),
    "pause": (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING),
    "resume": (RunStatus.PAUSED,),
    "retry": RETRIED,
}
"""The statuses of the runs that each kind of order changes."""


def changed_states(kind: str) -> Sequence[RunStatus]:
    """The statuses of the runs that a kind of order changes."""
    return _STATES[kind]


class Steps(NamedTuple):
    """The number of selected runs, the number of runs that the order has changed, or would change,
    and the id that its acts share; None if it has written none.
    """

    matched: int
    changed: int
    act_id: str | None = None


class Bulk:
    """Belongs to the engine's loop. ``act_of`` makes the act of an order."""

    def __init__(
        self,
        store: SteeringStore,
        retries: Retries,
        act_of: Callable[[Order], Act],
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._retries = retries
        self._act_of = act_of
        self._subjects = subjects

    async def steer(
        self, wanted: RunFilter, order: Order, grace: float, *, dry_run: bool = False
    ) -> Steps:
        """Carry an order out on all runs that the filter selects, newest first. Without statuses it
        selects runs in the statuses that the order changes. ``dry_run`` only counts them.
        """
        states = _STATES[order.kind]
        asked = wanted.statuses or states
        left_alone = await self._count(wanted, [each for each in asked if each not in states])
        able = [each for each in asked if each in states]
        if dry_run:
            changed = await self._count(wanted, able)
            return Steps(left_alone + changed, changed)
        if not able:
            return Steps(left_alone, 0)
        steered = await self._steer_all(wanted, able, order, grace)
        return steered._replace(matched=left_alone + steered.matched)

    async def steer_found(
        self,
        pages: AsyncIterator[Sequence[RunRow]],
        order: Order,
        grace: float,
        *,
        dry_run: bool = False,
    ) -> Steps:
        """Carry an order out on these runs, as ``steer`` does."""
        act, matched, changed = self._act_of(order), 0, 0
        async for runs in pages:
            able = [run for run in runs if run.status in _STATES[order.kind]]
            changed += len(able) if dry_run else await self._steer_page(able, order, act, grace)
            matched += len(runs)
        return Steps(matched, changed, act.id if changed and not dry_run else None)

    async def _count(self, wanted: RunFilter, statuses: Sequence[str]) -> int:
        if not statuses:
            return 0
        return await self._store.count_runs(wanted._replace(statuses=tuple(statuses)))

    async def _steer_all(
        self, wanted: RunFilter, statuses: Sequence[str], order: Order, grace: float
    ) -> Steps:
        act, matched, changed = self._act_of(order), 0, 0
        page = wanted._replace(statuses=tuple(statuses), limit=PAGE)
        while runs := await self._store.list_runs(page):
            changed += await self._steer_page(runs, order, act, grace)
            matched += len(runs)
            page = page._replace(before=runs[-1].id)
        return Steps(matched, changed, act.id if changed else None)

    async def _steer_page(
        self, runs: Sequence[RunRow], order: Order, act: Act, grace: float
    ) -> int:
        """Steer these runs by chunks. Returns the number of runs that it changed."""
        changed = 0
        for first in range(0, len(runs), CHUNK):
            changed += await self._step(runs[first : first + CHUNK], order, act, grace)
            self._subjects.ended_elsewhere.publish()
            self._subjects.claimable.publish()
        return changed

    async def _step(self, runs: Sequence[RunRow], order: Order, act: Act, grace: float) -> int:
        """Steer one chunk. Returns the number of runs that it changed."""
        run_ids = [run.id for run in runs]
        if order.kind == "retry":
            begun = await self._retries.retry_many(runs, replace(order, act_id=act.id))
            return len(begun.changed.intersection(run_ids))
        if order.kind == "cancel":
            deadline = act.now + round(grace * 1e6)
            acted = await self._store.cancel(run_ids, act, deadline, children=True)
        elif order.kind == "pause":
            acted = await self._store.pause(run_ids, act, None, children=True)
        else:
            acted = await self._store.resume(run_ids, act)
        return sum(each.changed for each in acted.values())
