"""The decision about due schedules in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloaca_core.engine.record.entries import Decision
from cloaca_core.features.schedules.records import CANCELLATIONS, FIRINGS, TICKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.features.schedules.records import Cancellation, Firing, NewTick
    from cloaca_core.run.watcher import Watcher


@dataclass(slots=True, eq=False)
class FiringEntry(Decision):
    """Due schedules: their ticks, the runs cancelled for those, and their next due times."""

    firings: Sequence[Firing] = ()
    ticks: Sequence[NewTick] = ()
    cancellations: Sequence[Cancellation] = ()

    def __post_init__(self) -> None:
        Decision.__post_init__(self)
        self.weight = (
            TICKS.weight(self.ticks)
            + FIRINGS.weight(self.firings)
            + CANCELLATIONS.weight(self.cancellations)
        )

    def add_to(self, draft: Draft) -> None:
        draft.put(FIRINGS, self.firings)
        draft.put(TICKS, self.ticks)
        draft.put(CANCELLATIONS, self.cancellations)

    def tell(self, watcher: Watcher, now: int) -> None:
        if self.ticks:
            watcher.ticked(self.ticks, now)
