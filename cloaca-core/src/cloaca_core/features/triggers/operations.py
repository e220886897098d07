"""Operations about event triggers, which ``trigger_table`` checks and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from cloaca_core.engine.calls.table_calls import table_call
from cloaca_core.features.steering.noted_acts import NotedActs
from cloaca_core.features.triggers.trigger_table import TriggerTable

if TYPE_CHECKING:
    from cloaca_core.engine.calls.call import Call, CallerOf
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.triggers.part import TriggerStore
    from cloaca_core.features.triggers.trigger_loop import TriggerLoop
    from cloaca_core.values.ids import RunIds


class TriggerEngine(Protocol):
    """The part of an engine that has triggers."""

    @property
    def ids(self) -> RunIds:
        """Makes ids."""

    @property
    def store(self) -> TriggerStore:
        """The store; each call asks for it."""

    @property
    def trigger_loop(self) -> TriggerLoop:
        """Polls triggers."""

    @property
    def subjects(self) -> Subjects:
        """Tells the loops of the engine what has changed."""


class ListTriggers(NamedTuple):
    """Some of the triggers, by name."""

    enabled_only: bool | None = None
    limit: int | None = None
    offset: int | None = None

    def call(self, caller: CallerOf[TriggerEngine, object]) -> Call[list[dict[str, Any]]]:
        """See ``Operation``."""
        return table_call(caller, _table, None, lambda table: table.page(*self))


class GetTrigger(NamedTuple):
    """One trigger; None for an unknown name."""

    trigger_name: str

    def call(self, caller: CallerOf[TriggerEngine, object]) -> Call[dict[str, Any] | None]:
        """See ``Operation``."""
        return table_call(caller, _table, None, lambda table: table.get(self.trigger_name))


class EnableTrigger(NamedTuple):
    """Enable or disable it."""

    trigger_name: str
    enabled: bool
    by: str | None = None

    def call(self, caller: CallerOf[TriggerEngine, object]) -> Call[None]:
        """See ``Operation``."""
        name, enabled = self.trigger_name, self.enabled
        return table_call(caller, _table, self.by, lambda table: table.set_enabled(name, enabled))


class TriggerHistory(NamedTuple):
    """Some of the runs that it fired, newest first."""

    trigger_name: str
    limit: int | None = None
    offset: int | None = None

    def call(self, caller: CallerOf[TriggerEngine, object]) -> Call[list[dict[str, Any]]]:
        """See ``Operation``."""
        return table_call(caller, _table, None, lambda table: table.history(*self))


def _table(engine: TriggerEngine, by: str) -> TriggerTable:
    acts = NotedActs(engine.store, engine.ids, by)
    return TriggerTable(
        engine.store, acts, engine.trigger_loop.sync, engine.subjects.triggers.publish
    )
