"""Reads definitions that runners have recorded, where this program lacks the code."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cloaca_core.definition.recorded import RecordedWorkflow
from cloaca_core.definition.registry import Unregistered, ambiguous
from cloaca_core.errors import StoreUnavailableError, WorkflowNotFoundError
from cloaca_core.features.definitions.recorder import definition_row
from cloaca_core.values.arguments import nearest_name
from cloaca_core.values.namespace import short_name
from cloaca_core.values.text import is_storable
from cloaca_core.values.times.clock import SYSTEM_CLOCK, Clock

if TYPE_CHECKING:
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.version_change import Fingerprints
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.features.definitions.part import DefinitionStore
    from cloaca_core.run.rows import RunRow

MOST: Final = 1_000
"""Versions that are remembered. A recorded version never changes."""
GOOD_FOR: Final = 1.0
"""Seconds for which a name means the version that was found last."""


class RecordedDefinitions:
    """Belongs to the engine's loop."""

    def __init__(
        self, store: DefinitionStore, registry: Registry, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._store = store
        self._registry = registry
        self._clock = clock
        self._found: dict[str, tuple[float, RecordedWorkflow]] = {}
        self._known: OrderedDict[tuple[str, str], RecordedWorkflow] = OrderedDict()
        self._kept: set[tuple[str, str]] = set()

    async def resolved(self, request: Request) -> Request:
        """The request with the newest recorded version in place of a name. ``InputError`` if an
        input does not match the schema of that version.
        """
        if not isinstance(request.workflow, Unregistered):
            return request
        return checked(replace(request, workflow=await self.find(request.workflow)))

    async def find(self, wanted: Unregistered) -> RecordedWorkflow:
        """The newest version of the one recorded workflow of this name, as it was at most a second
        ago, or as it was found last if the database does not answer.

        ``WorkflowNotFoundError`` when there is none, ``AmbiguousWorkflowError`` when there are
        several.
        """
        if (found := self._found.get(wanted.name)) is None:
            return await self._look_up(wanted)
        (found_at, known), now = found, self._clock.monotonic()
        if now - found_at < GOOD_FOR:
            return known
        self._found[wanted.name] = (now, known)  # others need not look it up at the same time
        try:
            return await self._look_up(wanted)
        except StoreUnavailableError:
            return known

    async def _look_up(self, wanted: Unregistered) -> RecordedWorkflow:
        name = wanted.name
        found = await self._store.definitions_named(name) if is_storable(name) else []
        match found:
            case [only] if known := await self.version(only.workflow, only.version):
                self._found[name] = (self._clock.monotonic(), known)
                return known
            case [] | [_]:
                self._found.pop(name, None)
                raise WorkflowNotFoundError(wanted.refusal + await self._near(name), name=name)
            case _:
                self._found.pop(name, None)
                raise ambiguous(name, tuple([each.workflow for each in found]))

    async def full_name(self, name: str, otherwise: str) -> str:
        """The full namespace of the one recorded workflow of a name; ``otherwise`` if there is
        none, ``AmbiguousWorkflowError`` if there are several.
        """
        match await self._store.definitions_named(name):
            case []:
                return otherwise
            case [only]:
                return only.workflow
            case found:
                raise ambiguous(name, tuple([each.workflow for each in found]))

    async def newest(self, workflow: str) -> Workflow | RecordedWorkflow | None:
        """The registered version of a workflow, otherwise the newest recorded one; None if there is
        neither.
        """
        if (registered := self._registry.get(workflow)) is not None:
            return registered
        for each in await self._store.newest_definitions([workflow]):
            return await self.version(each.workflow, each.version)
        return None

    async def check_input(self, workflow: str, text: str) -> None:
        """Raise ``InputError`` if the newest version of a workflow does not take this input."""
        known = await self.newest(workflow)
        if known is not None and known.input_schema is not None:
            from cloaca_core.definition.inputs.checked import check_texts  # few workflows have one

            check_texts(known.input_schema, [text], None)

    async def keep(self, workflow: str) -> None:
        """Record the version of a workflow that is registered here, if no runner has done so: runs
        are planned by it, and a runner with another version is to know. The newest one stays that.
        """
        registered = self._registry.get(workflow)
        if registered is None or (workflow, registered.version) in self._kept:
            return
        if await self._store.get_definition(workflow, registered.version) is None:
            await self._store.keep_definition(definition_row(registered, self._store.wall()))
        self._kept.add((workflow, registered.version))

    async def _near(self, name: str) -> str:
        """The end of the error for a name that no runner has recorded."""
        recorded = await self._store.list_definitions()
        if not recorded and not self._registry.workflows():
            return "; no runner has recorded a workflow in this database yet"
        known = self._registry.names()
        for each in recorded:
            known += (each.workflow, short_name(each.workflow), each.name)
        near = nearest_name(name, dict.fromkeys(known))
        hint = f" (did you mean {near!r}?)" if near else ""
        return f"{hint}; no runner has recorded it in this database"

    async def of_run(
        self, row: RunRow, store: DefinitionStore | None = None
    ) -> Workflow | RecordedWorkflow | None:
        """The version of the workflow with which a run was submitted; read as by ``version`` if
        another one is registered.
        """
        workflow = self._registry.get(row.workflow)
        if workflow is not None and workflow.version == row.version:
            return workflow
        return await self.version(row.workflow, row.version, store)

    async def fingerprints(self, workflow: str, version: str) -> Fingerprints | None:
        """The fingerprints of the tasks of a version; None when no runner has recorded it."""
        known = await self.version(workflow, version)
        return None if known is None else known.fingerprints

    async def version(
        self, workflow: str, version: str, store: DefinitionStore | None = None
    ) -> RecordedWorkflow | None:
        """One version of a workflow, read through ``store`` if it is given; None when no runner has
        recorded it.
        """
        key = (workflow, version)
        if (known := self._known.get(key)) is not None:
            return known
        if (row := await (store or self._store).get_definition(workflow, version)) is None:
            return None
        known = self._known[key] = RecordedWorkflow.read(row)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return known


def checked(request: Request) -> Request:
    """The request for runs of a recorded workflow; ``InputError`` if an input does not match the
    schema that is recorded with it.
    """
    if (schema := request.definition.input_schema) is not None:
        from cloaca_core.definition.inputs.checked import check_texts  # few workflows have one

        check_texts(schema, request.texts, request.first)
    return request
