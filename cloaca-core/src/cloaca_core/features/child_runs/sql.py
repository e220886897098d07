"""Child runs in SQL."""

from __future__ import annotations

from cloaca_core.store.changes import Change
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect
from cloaca_core.store.sql.queries import Statement


class ChildRunQueries(Statements, file="child_runs.sql", news={"insert_node_child": Change.RUNS}):
    """Child runs for which their parents wait."""

    insert_node_child: Statement
    list_node_children: Statement
    mark_opened_node: Statement
    record_wait_of_opened_node: Statement
    tell_parents: Statement
    tell_of_cancelled: Statement
    mark_failed_parents: Statement
    runs_above: Statement


class SqlChildRuns(SqlPart):
    """The operations on child runs. Contracts: see ``ChildRunStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._child_runs = queries.of(ChildRunQueries)

    async def runs_above(self, run_id: str, most: int) -> int:
        ((count,),) = await self._read(self._child_runs.runs_above, run_id=run_id, most=most)
        return int(count)
