"""Recorded definitions in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.follow_ups.sql import FollowUpQueries
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect, Step
from cloaca_core.store.sql.queries import Statement
from cloaca_core.values.definition_rows import DefinitionName, DefinitionRow, WhenEndedRow
from cloaca_core.values.namespace import short_name


class DefinitionQueries(Statements, file="definitions.sql"):
    """Definitions that runners have recorded."""

    insert_definition: Statement
    put_workflow: Statement
    newest_definitions: Statement
    definitions_named: Statement
    list_definitions: Statement
    get_definition: Statement


class SqlDefinitions(SqlPart):
    """The operations on definitions. Contracts: see ``DefinitionStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._definitions = queries.of(DefinitionQueries)
        self._follow_ups = queries.of(FollowUpQueries)

    async def record_definitions(
        self, definitions: Collection[DefinitionRow], when_ended: Collection[WhenEndedRow] = ()
    ) -> None:
        q, in_order = self._definitions, sorted(definitions)
        if not in_order:
            return
        row = q.insert_definition.binder(DefinitionRow._fields)
        newest = q.put_workflow.binder((*DefinitionName._fields, "short_name"))
        names = [DefinitionName.of(each) for each in in_order]
        steps = [
            Step(q.insert_definition, rows=list(map(row, in_order))),
            Step(q.put_workflow, rows=[newest((*each, short_name(each[0]))) for each in names]),
        ]
        if queues := {(each.workflow, queue) for each in in_order for queue in each.queues}:
            steps.append(self._noting(queues))
        if when_ended:
            insert = self._follow_ups.insert_when_ended
            follows = insert.binder(WhenEndedRow._fields)
            steps.append(Step(insert, rows=list(map(follows, sorted(when_ended)))))
        await self._dialect.write(steps)

    async def keep_definition(self, definition: DefinitionRow) -> None:
        insert = self._definitions.insert_definition
        row = insert.binder(DefinitionRow._fields)
        steps = [Step(insert, rows=[row(definition)])]
        if definition.queues:
            queues = [(definition.workflow, queue) for queue in definition.queues]
            steps.append(self._noting(queues))
        await self._dialect.write(steps)

    async def newest_definitions(self, workflows: Collection[str]) -> list[DefinitionName]:
        rows = await self._read(
            self._definitions.newest_definitions, workflows=self._dialect.array(workflows)
        )
        return list(map(DefinitionName._make, rows))

    async def definitions_named(self, name: str) -> list[DefinitionName]:
        rows = await self._read(self._definitions.definitions_named, name=name)
        return list(map(DefinitionName._make, rows))

    async def list_definitions(self) -> list[DefinitionName]:
        rows = await self._read(self._definitions.list_definitions)
        return list(map(DefinitionName._make, rows))

    async def get_definition(self, workflow: str, version: str) -> DefinitionRow | None:
        rows = await self._read(
            self._definitions.get_definition, workflow=workflow, version=version
        )
        return DefinitionRow(*rows[0]) if rows else None
