"""The store over PostgreSQL: claims pass over index entries of runs that were claimed before."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from cloaca_core.assembly.sql_store import SqlStore
from cloaca_postgres.claim_marks import ClaimMarks, Line, Look, Range

if TYPE_CHECKING:
    from cloaca_core.run.rows import RunRow
    from cloaca_postgres.dialect import PostgresDialect


class PostgresStore(SqlStore):
    """Contracts: see ``Store``."""

    def __init__(self, dialect: PostgresDialect) -> None:
        super().__init__(dialect, dialect.outbox, dialect.transactions)
        self._marks: ClaimMarks = dialect.marks

    async def claim(
        self,
        runner_id: str,
        workflows: Collection[str],
        limit: int,
        now: int,
        aged: int = 0,
        queues: Collection[str] | None = None,
    ) -> list[RunRow]:
        look = self._marks.claim(runner_id, _of(workflows, queues))
        try:
            rows = await self._claim(
                runner_id=runner_id, limit=limit, now=now, aged=aged, **columns_of(look)
            )
        except BaseException:
            self._marks.failed(look)
            raise
        self._marks.claimed(look, rows)
        return rows

    async def has_claimable(
        self,
        runner_id: str,
        workflows: Collection[str],
        queues: Collection[str] | None = None,
    ) -> bool:
        look = self._marks.glance(runner_id, _of(workflows, queues))
        try:
            found = await self._has_claimable(runner_id=runner_id, **columns_of(look))
        except BaseException:
            self._marks.failed(look)
            raise
        self._marks.glanced(look, found=found)
        return found

    async def forget_unserved(self, runner_id: str, workflows: Collection[str]) -> None:
        await super().forget_unserved(runner_id, workflows)
        self._marks.begin_with_oldest()


def _of(workflows: Collection[str], queues: Collection[str] | None) -> list[Line]:
    named = (None,) if queues is None else queues
    return [Line(workflow, queue) for workflow in workflows for queue in named]


def columns_of(look: Look) -> dict[str, object]:
    """The ranges of a look as a list for each column."""
    columns = zip(*look.ranges, strict=True) if look.ranges else ((),) * len(Range._fields)
    return dict(zip(Range._fields, map(list, columns), strict=True))
