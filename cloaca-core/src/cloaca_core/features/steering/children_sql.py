"""The children of runs in SQL: which children follow their parents, and which must still follow."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.steering.records import Act, ChildRow, Parent, StoppedWithParent
from cloaca_core.features.steering.sql import SteeringQueries
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect, steps_of
from cloaca_core.store.sql.queries import Statement


class ChildQueries(
    Statements,
    file="children.sql",
    news={
        "note_pause_of_children": Change.ANYTHING,
    },
):
    """Statements about children, and how they follow their parents."""

    list_children: Statement
    list_stopped_with_parents: Statement
    list_paused_with_parents: Statement
    list_ended_parents: Statement
    children_under_way: Statement
    descendants_under_way: Statement
    children_out_of_step: Statement
    descendants_out_of_step: Statement
    note_pause_of_children: Statement
    pause_children: Statement
    note_resume_of_children: Statement
    forget_children: Statement
    forget_pauses: Statement


class SqlChildren(SqlPart):
    """The operations on runs and their children. Contracts: see ``ChildStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._children = queries.of(ChildQueries)
        self._steering = queries.of(SteeringQueries)

    async def children(self, parent_ids: Collection[str]) -> list[ChildRow]:
        ids = self._dialect.array(parent_ids)
        rows = await self._read(self._children.list_children, ids=ids)
        return list(map(ChildRow._make, rows))

    async def stopped_with_parents(self, run_ids: Collection[str]) -> list[StoppedWithParent]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._children.list_stopped_with_parents, ids=ids)
        return list(map(StoppedWithParent._make, rows))

    async def paused_with_parents(self, run_ids: Collection[str]) -> list[StoppedWithParent]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._children.list_paused_with_parents, ids=ids)
        return list(map(StoppedWithParent._make, rows))

    async def ended_parents(self, run_ids: Collection[str]) -> list[Parent]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._children.list_ended_parents, ids=ids)
        return list(map(Parent._make, rows))

    async def children_under_way(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        ids = self._dialect.array(parent_ids)
        rows = await self._read(self._children.children_under_way, ids=ids, limit=limit)
        return [(parent_id, child_id) for parent_id, child_id in rows]

    async def descendants_under_way(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        ids = self._dialect.array(parent_ids)
        rows = await self._read(self._children.descendants_under_way, ids=ids, limit=limit)
        return [(parent_id, child_id) for parent_id, child_id in rows]

    async def children_out_of_step(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        ids = self._dialect.array(parent_ids)
        rows = await self._read(self._children.children_out_of_step, ids=ids, limit=limit)
        return [(parent_id, child_id) for parent_id, child_id in rows]

    async def descendants_out_of_step(
        self, parent_ids: Collection[str], limit: int
    ) -> list[tuple[str, str]]:
        ids = self._dialect.array(parent_ids)
        rows = await self._read(self._children.descendants_out_of_step, ids=ids, limit=limit)
        return [(parent_id, child_id) for parent_id, child_id in rows]

    async def bring_into_step(self, parent_id: str, child_ids: Collection[str], act: Act) -> None:
        q, acts, array = self._children, self._steering, self._dialect.array
        known = {**act._asdict(), "parent_id": parent_id, "ids": array(child_ids)}
        known["replaced"] = 0
        await self._dialect.write(
            [
                *steps_of([self._runs.lock_steered], {"ids": array([parent_id, *child_ids])}),
                *steps_of([q.note_pause_of_children, q.pause_children, acts.conclude_act], known),
                *steps_of([q.note_resume_of_children, acts.resume_runs, acts.conclude_act], known),
            ]
        )

    async def forget_children(self, parent_ids: Collection[str]) -> None:
        q, ids = self._children, self._dialect.array(parent_ids)
        statements = [self._runs.lock_steered, q.forget_children, q.forget_pauses]
        await self._dialect.write(steps_of(statements, {"ids": ids}))
