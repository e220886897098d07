"""Writes the triggers of this runner's registry as rows that every runner of the database sees.

Writes nothing for a trigger whose row is as declared here. Polls nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import CloacaError, StoreError
from cloaca_core.logs import SafeLogger
from cloaca_core.store.protocol import CHANGE_TRIES

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.triggers.definition import Trigger
    from cloaca_core.features.triggers.part import TriggerStore
    from cloaca_core.values.ids import RunIds

log = SafeLogger("cloaca.triggers")

_UNCLEAR: Final = ""
"""Stands for a workflow when several have the name."""


class TriggerSync:
    """Belongs to the engine's loop."""

    def __init__(self, store: TriggerStore, registry: Registry, ids: RunIds) -> None:
        self._store = store
        self._registry = registry
        self._ids = ids
        self._settling = asyncio.Lock()
        self._settled: dict[str, tuple[Trigger, str | None]] = {}

    async def settle(self) -> None:
        """Write the row of each registered trigger that needs it, if rows can be written."""
        if not self._store.writable:
            return
        async with self._settling:
            triggers = self._registry.triggers()
            self.forget(self._settled.keys() - {each.name for each in triggers})
            declared = [(each, self._workflow(each)) for each in triggers]
            new = [each for each in declared if self._settled.get(each[0].name) != each]
            if new:
                await self._put(new)

    def forget(self, names: Collection[str]) -> None:
        """The rows of these are gone."""
        for name in names:
            self._settled.pop(name, None)

    def _workflow(self, trigger: Trigger) -> str | None:
        """The full name of the workflow that the trigger runs; None if it declares none."""
        if trigger.workflow is None:
            return None
        try:
            return self._registry.full_name(trigger.workflow)
        except CloacaError as error:
            if self._settled.get(trigger.name) != (trigger, _UNCLEAR):
                name = trigger.name
                log.error(  # noqa: TRY400 - its traceback would say nothing
                    "trigger %r fires nothing: %s", name, error, extra={"trigger": name}
                )
            return _UNCLEAR

    async def _put(self, declared: list[tuple[Trigger, str | None]]) -> None:
        now = await self._store.now()
        for trigger, workflow in declared:
            await self._put_one(trigger, workflow, now)
            self._settled[trigger.name] = (trigger, workflow)

    async def _put_one(self, trigger: Trigger, workflow: str | None, now: int) -> None:
        # Here: it loads cron's fields and time zones, which most programs do not need.
        from cloaca_core.features.triggers.trigger_times import new_row, redefined

        for _ in range(CHANGE_TRIES):
            known = await self._store.triggers_named([trigger.name])
            if not known:
                row = new_row(trigger, workflow or None, self._ids.next(), now)
                if await self._store.add_trigger(row):
                    return
            elif workflow == _UNCLEAR:
                return
            else:
                changed = redefined(known[0], trigger, workflow, now)
                if changed is None or await self._store.change_trigger(changed):
                    return
        raise StoreError(f"trigger {trigger.name!r} is changed by others all the time")
