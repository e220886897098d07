"""Recorded definitions in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.store.sql.base import SqlPart
from cloaca_core.store.sql.dialect import Step
from cloaca_core.values.definition_rows import DefinitionName, DefinitionRow, WhenEndedRow
from cloaca_core.values.namespace import short_name


class SqlDefinitions(SqlPart):
    """The operations on definitions. Contracts: see ``DefinitionStore``."""

    async def record_definitions(
        self, definitions: Collection[DefinitionRow], when_ended: Collection[WhenEndedRow] = ()
    ) -> None:
        q, in_order = self._queries.definitions, sorted(definitions)
        if not in_order:
            return
        row = q.insert_definition.binder(DefinitionRow._fields)
        newest = q.put_workflow.binder((*DefinitionName._fields, "short_name"))
        names = [(each.workflow, each.version, each.name, each.retention) for each in in_order]
        steps = [
            Step(q.insert_definition, rows=list(map(row, in_order))),
            Step(q.put_workflow, rows=[newest((*each, short_name(each[0]))) for each in names]),
        ]
        if when_ended:
            insert = self._queries.follow_ups.insert_when_ended
            follows = insert.binder(WhenEndedRow._fields)
            steps.append(Step(insert, rows=list(map(follows, sorted(when_ended)))))
        await self._dialect.write(steps)

    async def keep_definition(self, definition: DefinitionRow) -> None:
        insert = self._queries.definitions.insert_definition
        row = insert.binder(DefinitionRow._fields)
        await self._dialect.write([Step(insert, rows=[row(definition)])])

    async def newest_definitions(self, workflows: Collection[str]) -> list[DefinitionName]:
        rows = await self._read(
            self._queries.definitions.newest_definitions, workflows=self._dialect.array(workflows)
        )
        return list(map(DefinitionName._make, rows))

    async def definitions_named(self, name: str) -> list[DefinitionName]:
        rows = await self._read(self._queries.definitions.definitions_named, name=name)
        return list(map(DefinitionName._make, rows))

    async def list_definitions(self) -> list[DefinitionName]:
        rows = await self._read(self._queries.definitions.list_definitions)
        return list(map(DefinitionName._make, rows))

    async def get_definition(self, workflow: str, version: str) -> DefinitionRow | None:
        rows = await self._read(
            self._queries.definitions.get_definition, workflow=workflow, version=version
        )
        return DefinitionRow(*rows[0]) if rows else None
