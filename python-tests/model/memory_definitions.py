"""The part of the store contract that is about definitions, as plain Python over a list."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.values.definition_rows import DefinitionName, DefinitionRow, WhenEndedRow
from cloaca_core.values.queue_names import DEFAULT_QUEUE


class MemoryDefinitions:
    """Part of ``MemoryStore``."""

    def __init__(self) -> None:
        self.definitions: dict[tuple[str, str], DefinitionRow] = {}
        self.newest: dict[str, DefinitionName] = {}
        self.queues: set[tuple[str, str]] = set()
        self.when_ended: dict[tuple[str, str, int, str], WhenEndedRow] = {}

    async def record_definitions(
        self, definitions: Collection[DefinitionRow], when_ended: Collection[WhenEndedRow] = ()
    ) -> None:
        for row in definitions:
            self.definitions.setdefault((row.workflow, row.version), row)
            self.newest[row.workflow] = DefinitionName.of(row)
            self._note_queues(row)
        for rule in when_ended if definitions else ():
            key = (rule.workflow, rule.version, rule.place, rule.status)
            self.when_ended.setdefault(key, rule)

    async def keep_definition(self, definition: DefinitionRow) -> None:
        self.definitions.setdefault((definition.workflow, definition.version), definition)
        self._note_queues(definition)

    def _note_queues(self, row: DefinitionRow) -> None:
        self.queues.update((row.workflow, queue) for queue in row.queues)

    def queue_of(self, workflow: str) -> str:
        """The queue in which runs of a workflow begin that are made in the table."""
        newest = self.newest.get(workflow)
        return DEFAULT_QUEUE if newest is None else newest.queue

    async def newest_definitions(self, workflows: Collection[str]) -> list[DefinitionName]:
        return [each for each in await self.list_definitions() if each.workflow in workflows]

    async def definitions_named(self, name: str) -> list[DefinitionName]:
        return [
            each
            for each in await self.list_definitions()
            if name in (each.workflow, each.workflow.split("::")[-1], each.name)
        ]

    async def list_definitions(self) -> list[DefinitionName]:
        return sorted(self.newest.values())

    async def get_definition(self, workflow: str, version: str) -> DefinitionRow | None:
        return self.definitions.get((workflow, version))
