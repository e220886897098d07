"""Reads and changes the table of event triggers for callers; returns the dicts of 0.x.

Checks the arguments. Polls nothing: ``changed`` tells the trigger loop that a trigger may be due
sooner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloaca_core.engine.calls.paging import checked_page
from cloaca_core.errors import ScheduleError
from cloaca_core.features.triggers.records import EventRow, TriggerRow
from cloaca_core.features.triggers.trigger_times import switched
from cloaca_core.store.protocol import CHANGE_TRIES
from cloaca_core.values.arguments import flag, text
from cloaca_core.values.text import is_storable
from cloaca_core.values.times.instants import instant_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.features.steering.noted_acts import NotedActs
    from cloaca_core.features.triggers.part import TriggerStore
    from cloaca_core.features.triggers.trigger_sync import TriggerSync
    from cloaca_core.store.acts import ActRow


class TriggerTable:
    """Belongs to the engine's loop. Writes the rows of registered triggers before any answer."""

    def __init__(
        self, store: TriggerStore, acts: NotedActs, sync: TriggerSync, changed: Callable[[], None]
    ) -> None:
        self._store = store
        self._acts = acts
        self._sync = sync
        self._changed = changed

    async def page(
        self, enabled_only: bool | None, limit: int | None, offset: int | None
    ) -> list[dict[str, Any]]:
        """Triggers by name, including triggers of other programs on the database."""
        only = False if enabled_only is None else flag("enabled_only", enabled_only)
        page = checked_page(limit, offset)
        await self._sync.settle()
        rows = await self._store.list_triggers(enabled_only=only, **page)
        return [_trigger_dict(row) for row in rows]

    async def get(self, trigger_name: str) -> dict[str, Any] | None:
        """One trigger; None for an unknown name."""
        row = await self._named(trigger_name)
        return None if row is None else _trigger_dict(row)

    async def set_enabled(self, trigger_name: str, enabled: bool) -> None:
        """Enable it from now on, or disable it; an unknown name changes nothing."""
        kind = "enable_trigger" if flag("enabled", enabled) else "disable_trigger"
        for _ in range(CHANGE_TRIES):
            row = await self._named(trigger_name)
            new = None if row is None else switched(row, enabled, await self._store.now())
            if new is None or await self._store.change_trigger(new, self._act(kind, new)):
                self._changed()
                return
        raise ScheduleError(f"trigger {trigger_name!r} is changed by others all the time")

    async def history(
        self, trigger_name: str, limit: int | None, offset: int | None
    ) -> list[dict[str, Any]]:
        """The runs that a trigger fired, newest first; [] for an unknown name."""
        page = checked_page(limit, offset)
        row = await self._named(trigger_name)
        if row is None:
            return []
        return [_event_dict(event) for event in await self._store.list_events(row.id, **page)]

    def _act(self, kind: str, row: TriggerRow) -> ActRow:
        return self._acts.row(kind, row.name, row.workflow)

    async def _named(self, trigger_name: str) -> TriggerRow | None:
        text("trigger_name", trigger_name)
        await self._sync.settle()
        if not is_storable(trigger_name):  # no trigger has such a name
            return None
        rows = await self._store.triggers_named([trigger_name])
        return rows[0] if rows else None


# -- the dicts of 0.x ----------------------------------------------------------------------------


def _trigger_dict(row: TriggerRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "trigger_name": row.name,
        "workflow_name": row.workflow_name,
        "poll_interval_ms": row.poll_interval_ms,
        "allow_concurrent": row.allow_concurrent,
        "enabled": row.enabled,
        "last_poll_at": instant_text(row.last_poll_at),
        "last_error": row.last_error,
        "failing_since": instant_text(row.failing_since),
        "failed_polls": row.failed_polls,
        "created_at": instant_text(row.created_at),
        "updated_at": instant_text(row.updated_at),
    }


def _event_dict(row: EventRow) -> dict[str, Any]:
    fired, completed = instant_text(row.created_at), instant_text(row.ended_at)
    return {
        "id": row.id,
        "schedule_id": row.trigger_id,
        "context_hash": row.context_hash,
        "workflow_execution_id": row.run_id,
        "started_at": fired,
        "completed_at": completed,
        "created_at": fired,
        "updated_at": fired if completed is None else completed,
    }
