"""Makes acts: requests about runs, with the caller, the reason, and the time by the store's
clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.features.steering.records import Act
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.engine.order import Order
    from cloaca_core.features.steering.records import Parent
    from cloaca_core.values.ids import RunIds

RUNS_PER_ACT: Final = 500
"""The most runs that one transaction steers."""


class Acts:
    """Makes the acts of one engine. ``wall`` returns the approximate time of the store, in µs."""

    def __init__(self, ids: RunIds, wall: Callable[[], int]) -> None:
        self._ids = ids
        self._wall = wall

    def of(self, order: Order) -> Act:
        """The act of a caller's order."""
        reason = None if order.reason is None else storable_text(order.reason)
        asked_by = storable_text(order.asked_by)
        act_id = self._ids.next() if order.act_id is None else order.act_id
        return Act(act_id, asked_by, reason, order.because(), self._wall())

    def of_parent(self, parent: Parent) -> Act:
        """The act on children that follow their parent."""
        reason = "the run that started it has failed" if parent.has_failed else parent.because
        because = storable_text(f"{reason} (with its parent, run {parent.run_id})")
        return Act(self._ids.next(), f"run {parent.run_id}", None, because, self._wall())

    def of_expiry(self, now: int) -> Act:
        """The act on runs that have not begun in time."""
        because = "expired: it had not begun in time"
        return Act(self._ids.next(), "cloaca", None, because, now)

    def of_end_of_pause(self, now: int) -> Act:
        """The act on runs and workflows that were paused until now."""
        because = "its pause has come to its end"
        return Act(self._ids.next(), "cloaca", because, because, now)
