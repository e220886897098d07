"""The operation that deletes runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from cloaca_core.engine.calls.orders import asker
from cloaca_core.features.definitions.names import DefinitionEngine, looked_up, name_to_look_up
from cloaca_core.features.steering.noted_acts import NotedActs
from cloaca_core.features.upkeep.results import PruneResult
from cloaca_core.values.arguments import refuse_other_types
from cloaca_core.values.times.given import checked_instant
from cloaca_core.values.times.instants import to_datetime
from cloaca_core.values.wording import counted

if TYPE_CHECKING:
    from datetime import datetime

    from cloaca_core.engine.calls.call import Call, CallerOf
    from cloaca_core.engine.observe.watchers import Watchers
    from cloaca_core.features.steering.part import SteeringStore
    from cloaca_core.features.upkeep.pruner import Pruned, Pruner
    from cloaca_core.values.ids import RunIds


class UpkeepEngine(DefinitionEngine, Protocol):
    """The part of an engine that deletes runs."""

    @property
    def ids(self) -> RunIds:
        """Makes ids."""

    @property
    def store(self) -> SteeringStore:
        """The store; each call asks for it."""

    @property
    def pruner(self) -> Pruner:
        """Deletes runs."""

    @property
    def watchers(self) -> Watchers:
        """Wakes callers that watch runs."""


class Prune(NamedTuple):
    """Delete trees of runs that ended long ago, or count them. Records who has deleted any."""

    before: datetime | str | None = None
    workflow_name: str | None = None
    dry_run: bool = False
    by: str | None = None

    def call(self, caller: CallerOf[UpkeepEngine, object]) -> Call[PruneResult]:
        """See ``Operation``."""
        who = asker(self.by)
        instant = None if self.before is None else checked_instant("before", self.before)
        refuse_other_types("dry_run", self.dry_run, bool, "a bool")
        full_name = name = None
        if self.workflow_name is not None:
            full_name = caller.host.registry.full_name(self.workflow_name)
            name = name_to_look_up(caller.host, self.workflow_name)

        async def answer(engine: UpkeepEngine) -> Pruned:
            workflow = None if full_name is None else await looked_up(engine, name, full_name)
            if self.dry_run:
                return await engine.pruner.count(instant, workflow)
            pruned = await engine.pruner.prune(instant, workflow)
            if pruned.runs:
                acts = NotedActs(engine.store, engine.ids, who)
                await engine.store.note(acts.row("prune", _what(pruned, instant), workflow))
            engine.watchers.wake()
            return pruned

        return caller.act(
            answer, lambda pruned: PruneResult(pruned.runs, pruned.rows, pruned.bytes)
        )


def _what(pruned: Pruned, before: int | None) -> str:
    """The deletion, as the log of actions has it."""
    runs = counted(pruned.runs, "run")
    if before is None:
        return f"{runs}, by retention"
    return f"{runs} that ended before {to_datetime(before):%Y-%m-%d %H:%M:%S} UTC"
