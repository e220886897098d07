"""Records the definitions that this runner has registered, for programs that lack their code.

Looks first, so that a runner whose definitions are recorded already writes nothing. Nothing waits
for it but the opening of the runner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.definition.recorded import content, when_ended_rows
from cloaca_core.engine.runtime.supervisor import Wakeup
from cloaca_core.values.definition_rows import DefinitionName, DefinitionRow
from cloaca_core.values.times.retention import stored_retention

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.definitions.part import DefinitionStore
    from cloaca_core.values.times.clock import Clock


class DefinitionRecorder:
    """Belongs to the engine's loop."""

    def __init__(
        self, store: DefinitionStore, registry: Registry, clock: Clock, subjects: Subjects
    ) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._wakeup = Wakeup()
        self.wake: Callable[[], None] = self._wakeup.wake
        """The program has registered something."""
        self._recorded: set[DefinitionName] = set()
        subjects.definitions.subscribe(self.wake)

    async def turn(self) -> None:
        """Record what is new, then sleep until something is registered."""
        await self._wakeup.turn(self.record)

    async def record(self) -> None:
        """Record the registered definitions that are not the newest of their workflows.

        Each is looked up once: if another runner registers a later version, that stays the newest.
        """
        known = {_name_of(each): each for each in self._registry.workflows()}
        if not (new := known.keys() - self._recorded):
            return
        newest = await self._store.newest_definitions([name.workflow for name in new])
        if unrecorded := new.difference(newest):
            await self._write([known[name] for name in unrecorded])
        self._recorded = set(known)

    async def record_unknown(self, workflow: Workflow) -> None:
        """Record the version by which a client submits runs, unless it is the newest: a runner that
        lacks tasks of it must release its runs. It does not become the newest; only runners
        register that. But the first version of a workflow must be found for the runs that follow
        ends.
        """
        if (name := _name_of(workflow)) in self._recorded:
            return
        newest = await self._store.newest_definitions([workflow.namespace])
        if not newest and workflow.when_ended:
            await self._write([workflow])
        elif not newest or newest[0].version != workflow.version:
            await self._store.keep_definition(definition_row(workflow, self._clock.wall()))
        self._recorded.add(name)

    async def _write(self, workflows: Sequence[Workflow]) -> None:
        now = self._clock.wall()
        rows = [definition_row(each, now) for each in workflows]
        follow_ups = [row for each in workflows for row in when_ended_rows(each)]
        await self._store.record_definitions(rows, follow_ups)


def _name_of(workflow: Workflow) -> DefinitionName:
    return DefinitionName(
        workflow.namespace,
        workflow.version,
        workflow.name,
        stored_retention(workflow.retention),
        workflow.begins_in,
    )


def definition_row(workflow: Workflow, now: int) -> DefinitionRow:
    """The record of a workflow, made now."""
    name = _name_of(workflow)
    return DefinitionRow(
        workflow=name.workflow,
        version=name.version,
        name=name.name,
        content=content(workflow),
        recorded_at=now,
        retention=name.retention,
        queue=name.queue,
        queues=workflow.queues,
    )
