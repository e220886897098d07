"""The events of triggers in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloaca_core.engine.record.entries import Decision
from cloaca_core.features.triggers.records import EVENTS, TURNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.features.triggers.records import NewEvent, TriggerRow


@dataclass(slots=True, eq=False)
class EventEntry(Decision):
    """The events of triggers, and the rows of triggers that ticked."""

    events: Sequence[NewEvent] = ()
    turns: Sequence[TriggerRow] = ()

    def __post_init__(self) -> None:
        Decision.__post_init__(self)
        self.weight = EVENTS.weight(self.events) + TURNS.weight(self.turns)

    def add_to(self, draft: Draft) -> None:
        draft.put(EVENTS, self.events)
        draft.put(TURNS, self.turns)
