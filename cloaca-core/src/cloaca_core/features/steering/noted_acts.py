"""Makes the rows of acts on schedules, triggers and runners, for the log of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.store.acts import ActRow
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from cloaca_core.store.protocol import KernelStore
    from cloaca_core.values.ids import RunIds


class NotedActs:
    """The acts of one caller, ``by``. Belongs to the engine's loop."""

    def __init__(self, store: KernelStore, ids: RunIds, by: str) -> None:
        self._store = store
        self._ids = ids
        self._by = by

    def row(self, kind: str, about: str, workflow: str | None = None) -> ActRow:
        """An act at the present time. ``about`` names the schedule, trigger or runner."""
        return ActRow(
            id=self._ids.next(),
            run_id="",
            workflow=workflow or "",
            round=0,
            kind=kind,
            asked_by=self._by,
            reason=storable_text(about),
            changed=1,
            created_at=self._store.wall(),
        )
