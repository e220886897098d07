"""Queues in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.queues.records import Backlog, Overdue, QueueLoad
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect, steps_of
from cloaca_core.store.sql.queries import Statement


class QueueQueries(Statements, file="queues.sql", news={"bring_overdue": Change.RUNS}):
    """Statements on the queues of runs, and on the runs in queues."""

    put_in_queue: Statement
    first_overdue: Statement
    bring_overdue: Statement
    queue_loads: Statement


class SqlQueues(SqlPart):
    """The operations on queues. Contracts: see ``QueueStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._queues = queries.of(QueueQueries)

    async def first_overdue(
        self, workflows: Collection[str], queues: Collection[str], limit: int
    ) -> list[Overdue]:
        array = self._dialect.array
        lists = {"workflows": array(workflows), "queues": array(queues)}
        rows = await self._read(self._queues.first_overdue, limit=limit, **lists)
        return list(map(Overdue._make, rows))

    async def bring_overdue(self, run_ids: Collection[str], queue: str, now: int) -> None:
        statements = [self._runs.lock_steered, self._queues.bring_overdue]
        known = {"ids": self._dialect.array(run_ids), "queue": queue, "now": now}
        await self._dialect.write(steps_of(statements, known))

    async def backlogs(self, most: int) -> list[Backlog]:
        rows = await self._read(self._queues.queue_loads, most=most)
        return sorted(
            Backlog(workflow, queue, waiting, oldest)
            for workflow, queue, waiting, _, oldest in rows
            if waiting
        )

    async def queue_loads(self, most: int) -> list[QueueLoad]:
        found: dict[str, QueueLoad] = {}
        rows = await self._read(self._queues.queue_loads, most=most)
        for row in [QueueLoad._make(of_queue) for _, *of_queue in rows]:
            known = found.get(row.name, QueueLoad(row.name, 0, 0, None))
            since = [each.oldest for each in (known, row) if each.oldest is not None]
            found[row.name] = QueueLoad(
                row.name,
                known.waiting + row.waiting,
                known.running + row.running,
                min(since, default=None),
            )
        return sorted(found.values())
