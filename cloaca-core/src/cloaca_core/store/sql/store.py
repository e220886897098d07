"""``KernelStore`` over any SQL database: builds the steps of each operation and shapes the answers.

All rules about which runner may write which rows are conditions in the SQL itself. Python decides
nothing between the statements of a transaction, and never asks which database it is. The operations
on each noun have a module of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from copy import copy
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Self, TypeAlias, cast

from cloaca_core.errors import StoreUnavailableError, lost_parent
from cloaca_core.run.rows import AttemptRow
from cloaca_core.store.batch import NO_ROWS, Batch, Committed, Rows
from cloaca_core.store.sql.base import load_queries, pair
from cloaca_core.store.sql.dialect import Answers, Dialect, Step
from cloaca_core.store.sql.runners import SqlRunners
from cloaca_core.store.sql.runs import SqlRuns

if TYPE_CHECKING:
    from cloaca_core.run.rows import NewRun
    from cloaca_core.store.changes import Change
    from cloaca_core.store.outbox import Outbox
    from cloaca_core.store.runs import OnCommit
    from cloaca_core.store.sql.commit_part import MakePart
    from cloaca_core.store.sql.queries import Row
    from cloaca_core.store.transactions import Recording, Transactions

Asked: TypeAlias = tuple[Sequence[Step], asyncio.Future[Answers]]
"""The steps of a read, and the future of its answer."""


class SqlKernelStore(SqlRuns, SqlRunners):
    """The kernel's part of a store. ``parts`` finds the parts of features in its transactions. At
    each stage they are called in this order, which is part of correctness. They are made with the
    first transaction that needs them: a program that only reads loads none.
    """

    def __init__(
        self,
        dialect: Dialect,
        outbox: Outbox | None = None,
        parts: Callable[[], Sequence[MakePart]] = tuple,
        transactions: Callable[[], Transactions] | None = None,
    ) -> None:
        super().__init__(dialect, load_queries(dialect.sql_package, dialect.wording))
        self._parts: Callable[[], Sequence[MakePart]] = parts
        self.outbox = outbox
        self._make_transactions = transactions
        self._transactions: Transactions | None = None
        self.wall: Callable[[], int] = dialect.wall  # itself: it is read several times for each run

    @property
    def transactions(self) -> Transactions | None:
        if self._transactions is None and self._make_transactions is not None:
            self._transactions = self._make_transactions()  # few programs load their module
        return self._transactions

    @property
    def writable(self) -> bool:
        return self._dialect.writable

    @property
    def most_keys(self) -> int | None:
        return self._dialect.most_keys

    async def close(self) -> None:
        await self._dialect.close()

    async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        steps = self._batch_steps.of(batch)
        known: list[Committed] = []
        ending = self._batch_steps.ending(batch, list(steps)) if batch.rows else None
        then = None if ending is None else ending.then

        def answered(answers: Answers) -> None:
            known.append(self._batch_steps.committed(batch, dict(zip(steps, answers, strict=True))))
            if ending is not None:
                decided = {**known[-1].decided, **ending.decided()}
                known[-1] = known[-1]._replace(decided=decided)
            if on_commit is not None:
                on_commit(known[-1])

        if not steps:
            answered([])
        elif on_commit is None:  # nothing waits for the moment of the commit
            answered(await self._dialect.write(list(steps.values()), then=then))
        else:
            await self._dialect.write(list(steps.values()), on_commit=answered, then=then)
        return known[-1]

    def recording(self, runner_id: str, row: AttemptRow) -> Recording:
        from cloaca_core.store.transactions import Recording  # few programs have any

        batch = Batch(runner_id, [], [row], [], {row.run_id: row.epoch})
        steps = self._batch_steps.of(batch)

        def counts(answers: Sequence[Sequence[Row]]) -> bool:
            committed = self._batch_steps.committed(batch, dict(zip(steps, answers, strict=True)))
            return row.run_id in committed.current

        return Recording(list(steps.values()), counts)

    async def is_recorded(self, runner_id: str, row: AttemptRow) -> bool:
        q, ids = self._runs, self._dialect.array([row.run_id])
        lock = Step(q.lock_runs, q.lock_runs.bind(ids=ids, runner_id=runner_id))
        read = Step(q.load_attempts, q.load_attempts.bind(ids=ids))
        _, found = await self._dialect.write([lock, read])
        wanted = (row.task_id, row.attempt, row.epoch, row.status)
        rows = map(AttemptRow._make, found)
        return wanted in {(each.task_id, each.attempt, each.epoch, each.status) for each in rows}

    async def insert_when_free(self, run: NewRun, rows: Rows = NO_ROWS) -> str:
        if (holder := await self._insert_one(run, rows)) is None:
            free = self._runs.free_key
            await self._write(free, workflow=run.workflow, idempotency_key=run.idempotency_key)
            holder = await self._insert_one(run, rows)
        if holder is None:
            raise StoreUnavailableError("the run that has this key is being deleted; try again")
        return holder

    async def _insert_one(self, run: NewRun, rows: Rows) -> str | None:
        """Insert a run that has a key. Returns the id of the run that has it, None if that run is
        hidden.
        """
        steps = self._batch_steps.of_one(run, rows)
        key = pair(run.workflow, run.idempotency_key)
        answers = await self._dialect.write_apart(list(steps.values()), key)
        found = dict(zip(steps, answers, strict=True))
        if self._batch_steps.orphans([run], found):
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


class ReadsTogether:
    """Replaces the dialect of a store that only reads. Contracts: see ``Dialect``."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._asked: list[Asked] = []
        self._under_way: set[asyncio.Task[Answers]] = set()

    def array(self, values: Collection[str | int]) -> object:
        """As the dialect itself does."""
        return self._dialect.array(values)

    async def read(self, steps: Sequence[Step]) -> Answers:
        """Run the steps together with all reads that begin before the loop is idle: a read within a
        task of a task begins some turns of the loop later.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answers] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._begin, 0)
        self._asked.append((steps, answer))
        return await answer

    def _begin(self, known: int) -> None:
        """Send the reads, unless more reads than ``known`` have begun meanwhile."""
        if len(self._asked) > known:
            asyncio.get_running_loop().call_soon(self._begin, len(self._asked))
            return
        asked, self._asked = self._asked, []
        everything = [step for steps, _ in asked for step in steps]
        task = asyncio.create_task(self._dialect.read(everything))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(partial(_answer, asked))


def _answer(asked: Sequence[Asked], done: asyncio.Task[Answers]) -> None:
    """Give each read its rows, or all of them the error."""
    error = None if done.cancelled() else done.exception()
    rows = iter(done.result() if error is None and not done.cancelled() else ())
    for steps, answer in asked:
        own = list(islice(rows, len(steps)))
        if answer.done():
            continue  # its caller was cancelled
        if done.cancelled():
            answer.cancel()
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(own)
