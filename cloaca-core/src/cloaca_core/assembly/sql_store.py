"""``Store`` over any SQL database: builds the steps of each operation and shapes the answers.

All rules about which runner may write which rows are conditions in the SQL itself: Python decides
nothing between the statements of a transaction, and never asks which database it is. The operations
on one noun are in the module of that noun.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Final, Self, cast

from cloaca_core.errors import StoreUnavailableError, lost_parent
from cloaca_core.features.definitions.sql import SqlDefinitions
from cloaca_core.features.explain.sql import SqlStandings
from cloaca_core.features.follow_ups.commit import FollowUpCommit
from cloaca_core.features.follow_ups.sql import SqlFollowUps
from cloaca_core.features.reruns.sql import SqlReruns
from cloaca_core.features.schedules.commit import ScheduleCommit
from cloaca_core.features.schedules.sql import SqlSchedules
from cloaca_core.features.search.sql import SqlSearches
from cloaca_core.features.steering.children_sql import SqlChildren
from cloaca_core.features.steering.paused_workflows_sql import SqlPausedWorkflows
from cloaca_core.features.steering.sql import SqlSteering
from cloaca_core.features.steps.commit import MemoCommit
from cloaca_core.features.steps.sql import SqlMemos
from cloaca_core.features.task_logs.commit import TaskLogCommit
from cloaca_core.features.task_logs.sql import SqlTaskLogs
from cloaca_core.features.telemetry.sql import SqlGauges
from cloaca_core.features.triggers.commit import TriggerCommit
from cloaca_core.features.triggers.sql import SqlTriggers
from cloaca_core.features.upkeep.sql import SqlUpkeep
from cloaca_core.features.waits.commit import WaitCommit
from cloaca_core.features.waits.sql import SqlWaits
from cloaca_core.run.rows import NewRun
from cloaca_core.store.batch import NO_ROWS, Batch, Committed, Rows
from cloaca_core.store.changes import Change
from cloaca_core.store.outbox import Outbox
from cloaca_core.store.runs import Landed
from cloaca_core.store.sql.base import load_queries, pair
from cloaca_core.store.sql.batch import BatchSteps, orphans_of
from cloaca_core.store.sql.dialect import Answers, Dialect
from cloaca_core.store.sql.runners import SqlRunners
from cloaca_core.store.sql.runs import SqlRuns
from cloaca_core.store.sql.together import ReadsTogether

if TYPE_CHECKING:
    from cloaca_core.features.transfer.part import Transfer


COMMIT_PARTS: Final = (
    ScheduleCommit,
    TriggerCommit,
    WaitCommit,
    MemoCommit,
    TaskLogCommit,
    FollowUpCommit,
)
"""What features write with a batch; at each stage in this order, which is part of correctness."""


class SqlStore(
    SqlRuns,
    SqlRunners,
    SqlSchedules,
    SqlTriggers,
    SqlSteering,
    SqlPausedWorkflows,
    SqlChildren,
    SqlReruns,
    SqlDefinitions,
    SqlFollowUps,
    SqlGauges,
    SqlMemos,
    SqlSearches,
    SqlTaskLogs,
    SqlStandings,
    SqlUpkeep,
    SqlWaits,
):
    """The store of every backend that has a ``Dialect``. Contracts: see ``Store``."""

    def __init__(self, dialect: Dialect, outbox: Outbox | None = None) -> None:
        super().__init__(dialect, load_queries(dialect.sql_package, dialect.wording))
        self.outbox = outbox
        self.wall: Callable[[], int] = dialect.wall  # itself: it is read several times for each run
        self._batch_steps = BatchSteps(self._queries, dialect.array, COMMIT_PARTS)

    @property
    def writable(self) -> bool:
        return self._dialect.writable

    @property
    def most_keys(self) -> int | None:
        return self._dialect.most_keys

    async def close(self) -> None:
        await self._dialect.close()

    def transfer(self) -> Transfer:
        from cloaca_core.features.transfer.sql import (
            SqlTransfer,  # here: few programs copy databases
        )

        return SqlTransfer(self._dialect)

    async def commit(self, batch: Batch, landed: Landed | None = None) -> Committed:
        steps = self._batch_steps.of(batch)
        known: list[Committed] = []

        def answered(answers: Answers) -> None:
            known.append(self._batch_steps.committed(batch, dict(zip(steps, answers, strict=True))))
            if landed is not None:
                landed(known[-1])

        if not steps:
            answered([])
        elif landed is None:  # nothing waits for the moment of the commit
            answered(await self._dialect.write(list(steps.values())))
        else:
            await self._dialect.write(list(steps.values()), landed=answered)
        return known[-1]

    async def insert_when_free(self, run: NewRun, rows: Rows = NO_ROWS) -> str:
        if (holder := await self._insert_one(run, rows)) is None:
            free = self._queries.runs.free_key
            await self._write(free, workflow=run.workflow, idempotency_key=run.idempotency_key)
            holder = await self._insert_one(run, rows)
        if holder is None:
            raise StoreUnavailableError("the run that has this key is being deleted; try again")
        return holder

    async def _insert_one(self, run: NewRun, rows: Rows) -> str | None:
        """Insert a run that has a key; the id of the run that has it, None if that is hidden."""
        steps = self._batch_steps.of_one(run, rows)
        key = pair(run.workflow, run.idempotency_key)
        answers = await self._dialect.write_apart(list(steps.values()), key)
        found = dict(zip(steps, answers, strict=True))
        if orphans_of([run], found.get("parents")):
            raise lost_parent(run.parent_id)
        return next((str(holder) for _, _, holder in found["keys"]), None)

    def together(self) -> Self:
        reading = copy(self)
        reading._dialect = cast("Dialect", ReadsTogether(self._dialect))  # nothing else is asked
        return reading

    async def now(self) -> int:
        return await self._dialect.now()

    async def wait_changed(self) -> Change:
        return await self._dialect.wait_changed()

    def set_watched(self, *, watched: bool) -> None:
        self._dialect.set_watched(watched=watched)

    def set_contended(self, *, contended: bool) -> None:
        self._dialect.set_contended(contended=contended)

    def on_connected(self, connected: Callable[[], None]) -> None:
        self._dialect.on_connected(connected)
