"""Begins failed child runs again, as tasks of the next round of their parent come to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.order import Order
from cloaca_core.errors import RunStateError
from cloaca_core.features.steering.records import ActSearch, OwnedParent
from cloaca_core.values.payloads.digests import are_equal
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cloaca_core.errors import CloacaError
    from cloaca_core.features.reruns.part import RerunStore
    from cloaca_core.features.reruns.retries import Retries
    from cloaca_core.run.rows import RunRow


class ChildRetries:
    """Belongs to the engine's loop. A child begins again once in a round of its parent, which
    may have several owners: the act is named for that round, and only the owner begins it.
    """

    def __init__(self, store: RerunStore, retries: Retries) -> None:
        self._store = store
        self._retries = retries

    async def begin(self, parent: RunRow, children: Iterable[RunRow]) -> Mapping[str, CloacaError]:
        """Begin these failed children again, unless this round of the parent has done that. Returns
        the errors of children that cannot be.
        """
        order = Order("retry", f"run {parent.id}", None, f"{parent.id}:{parent.round}")
        new = [child for child in children if not await self._has_begun(child, order)]
        owned = OwnedParent(parent.id, parent.epoch)
        begun = await self._retries.retry_many(new, order, owned)
        return {
            run_id: error
            for run_id, error in begun.refused.items()
            if not (isinstance(error, RunStateError) and error.run_id == run_id)  # begun by others
        }

    async def begin_for_body(self, parent: RunRow, run_id: str, text: str) -> bool:
        """Begin a child again if it has failed, and this round of the parent has not done that.
        False if its input is not ``text``: then it stays as it has ended.
        """
        row = await self._store.get_run(run_id)
        if row is None or not has_failed(row):
            return True
        if not are_equal(row.input, text):
            return False
        for error in (await self.begin(parent, [row])).values():
            raise error
        return True

    async def _has_begun(self, child: RunRow, order: Order) -> bool:
        if child.round == 1:
            return False
        search = ActSearch(by=order.asked_by, kinds=("retry",), run_id=child.id)
        return any(act.id == order.act_id for act in await self._store.search_acts(search, 1))


def has_failed(row: RunRow) -> bool:
    """Whether the run has ended without a result, so that it can be begun again."""
    return row.ended_at is not None and row.status in (RunStatus.FAILED, RunStatus.CANCELLED)
