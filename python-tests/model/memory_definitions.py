"""The part of the store contract that is about definitions, as plain Python over a list."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.records.definitions import DefinitionName, DefinitionRow


class MemoryDefinitions:
    """Part of ``MemoryStore``."""

    def __init__(self) -> None:
        self.definitions: list[DefinitionRow] = []
        """The newest of a workflow comes after its others."""

    async def record_definitions(self, definitions: Collection[DefinitionRow]) -> None:
        for row in definitions:
            earlier = [each for each in self.definitions if each[:2] == row[:2]]
            kept = earlier[0]._replace(name=row.name) if earlier else row
            self.definitions = [each for each in self.definitions if each not in earlier] + [kept]

    async def newest_definitions(self, workflows: Collection[str]) -> list[DefinitionName]:
        return [each for each in await self.list_definitions() if each.workflow in workflows]

    async def definitions_named(self, name: str) -> list[DefinitionName]:
        return [
            each
            for each in await self.list_definitions()
            if name in (each.workflow, each.workflow.split("::")[-1], each.name)
        ]

    async def list_definitions(self) -> list[DefinitionName]:
        newest = {each.workflow: each for each in self.definitions}
        return [DefinitionName(*row[:3]) for _, row in sorted(newest.items())]

    async def get_definition(self, workflow: str, version: str) -> DefinitionRow | None:
        for each in self.definitions:
            if each[:2] == (workflow, version):
                return each
        return None
