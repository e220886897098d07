"""Short names of workflows that runners have recorded and a client's program has not registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from cloaca_core.values.namespace import SEPARATOR

if TYPE_CHECKING:
    from cloaca_core.engine.calls.call import Host
    from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
    from cloaca_core.run.rows import RunFilter


class DefinitionEngine(Protocol):
    """The parts of an engine that resolve names of workflows."""

    @property
    def definitions(self) -> RecordedDefinitions:
        """Reads recorded definitions."""


def name_to_look_up(host: Host[object, object], workflow_name: str) -> str | None:
    """The name, if ``definitions.full_name`` must look up its namespace. A runner looks up none: it
    names the workflows of its own program.
    """
    if host.works or SEPARATOR in workflow_name or host.registry.has_name(workflow_name):
        return None
    return workflow_name


async def looked_up(engine: DefinitionEngine, name: str | None, otherwise: str) -> str:
    """The namespace of the workflow of a name that is to be looked up, or ``otherwise``; runs on
    the engine's loop.
    """
    return otherwise if name is None else await engine.definitions.full_name(name, otherwise)


class FilterByName(NamedTuple):
    """A filter for runs, and (not None) the name by which its workflow is to be looked up."""

    run_filter: RunFilter
    name: str | None

    @classmethod
    def of(
        cls, host: Host[object, object], run_filter: RunFilter, workflow_name: str | None
    ) -> FilterByName:
        """Make it from a filter and the name that it was made of."""
        name = None if workflow_name is None else name_to_look_up(host, workflow_name)
        return cls(run_filter, name)

    async def resolved(self, engine: DefinitionEngine) -> RunFilter:
        """The filter with the namespace of its workflow; runs on the engine's loop."""
        if (workflow := self.run_filter.workflow) is None:
            return self.run_filter
        return self.run_filter._replace(workflow=await looked_up(engine, self.name, workflow))
