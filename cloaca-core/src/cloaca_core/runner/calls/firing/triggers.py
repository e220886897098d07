"""Calls about event triggers. ``trigger_table`` checks and answers them, on the engine's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloaca_core.runner.calls.firing.table_calls import TableCalls
from cloaca_core.runner.calls.firing.trigger_table import TriggerTable
from cloaca_core.runner.calls.noted_acts import NotedActs

if TYPE_CHECKING:
    from cloaca_core._engine.engine import Engine
    from cloaca_core.runner.calls.call import Call
    from cloaca_core.runner.host import EngineHost


class TriggerCalls(TableCalls[TriggerTable]):
    """Makes the calls of one runner. Any thread may ask."""

    def __init__(self, host: EngineHost) -> None:
        super().__init__(host, _table)

    def page(
        self, enabled_only: bool | None, limit: int | None, offset: int | None
    ) -> Call[list[dict[str, Any]]]:
        """Some of the triggers, by name."""
        return self._ask(TriggerTable.page, enabled_only, limit, offset)

    def get(self, trigger_name: str) -> Call[dict[str, Any] | None]:
        """One trigger; None for an unknown name."""
        return self._ask(TriggerTable.get, trigger_name)

    def set_enabled(self, trigger_name: str, enabled: bool, by: str | None = None) -> Call[None]:
        """Enable or disable it."""
        return self._ask_as(by, TriggerTable.set_enabled, trigger_name, enabled)

    def history(
        self, trigger_name: str, limit: int | None, offset: int | None
    ) -> Call[list[dict[str, Any]]]:
        """Some of the runs that it fired, newest first."""
        return self._ask(TriggerTable.history, trigger_name, limit, offset)


def _table(engine: Engine, by: str) -> TriggerTable:
    acts = NotedActs(engine.store, engine.ids, by)
    return TriggerTable(engine.store, acts, engine.trigger_loop.sync, engine.trigger_changed)
