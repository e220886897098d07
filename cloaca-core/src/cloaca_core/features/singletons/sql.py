"""Runs with a singleton key, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import StoreUnavailableError, lost_parent
from cloaca_core.features.singletons.records import Joined, KeyedRun
from cloaca_core.features.steering.sql import SteeringQueries
from cloaca_core.run.rows import NewRun
from cloaca_core.store.batch import NO_ROWS, Rows
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.base import Queries, SqlPart, Statements, pair, steps_of
from cloaca_core.store.sql.batch import BatchSteps, orphans_of
from cloaca_core.store.sql.dialect import Dialect, Step
from cloaca_core.store.sql.queries import Statement
from cloaca_core.values.states import ReasonCode

if TYPE_CHECKING:
    from cloaca_core.features.steering.records import Act
    from cloaca_core.store.sql.commit_part import Stages

_ALL: Final = 2**31 - 1
_NO_CANCELS: Final[Sequence[Step]] = ()


class SingletonQueries(
    Statements,
    file="singletons.sql",
    news={"insert_singleton": Change.RUNS, "note_replaced": Change.ANYTHING},
):
    """Runs with a singleton key."""

    lock_singletons: Statement
    lock_singletons_of: Statement
    lock_singletons_of_owned: Statement
    insert_singleton: Statement
    note_replaced: Statement
    singletons_under_way: Statement
    singleton_made: Statement
    keyed_runs: Statement


class SqlSingletons(SqlPart):
    """The operations on runs with a singleton key. Contracts: see ``SingletonStore``."""

    _stages: Stages
    _batch_steps: BatchSteps

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._singletons = queries.of(SingletonQueries)
        self._cancels = queries.of(SteeringQueries)

    async def join(self, run: NewRun, key: str, *, queues: bool, rows: Rows = NO_ROWS) -> Joined:
        joined = await self._joined(run, key, rows, queues=queues)
        if joined is None and run.idempotency_key is not None:  # a run that is being deleted has it
            free = self._runs.free_key
            await self._write(free, workflow=run.workflow, idempotency_key=run.idempotency_key)
            joined = await self._joined(run, key, rows, queues=queues)
        if joined is None:
            raise StoreUnavailableError("another transaction writes a run with this key; try again")
        return joined

    async def replace(
        self, run: NewRun, key: str, act: Act, deadline: int, rows: Rows = NO_ROWS
    ) -> Joined:
        while True:
            q = self._singletons.singletons_under_way
            before = await self._read(q, workflow=run.workflow, singleton_key=key, limit=_ALL)
            ids = [run_id for run_id, _ in before if run_id != run.id]
            if not ids:
                joined = await self._joined(run, key, rows, queues=False)
            else:
                cancels = self._cancelling(run, ids, act, deadline)
                joined = await self._joined(run, key, rows, queues=True, ids=ids, cancels=cancels)
            if joined is None:
                return await self.join(run, key, queues=False, rows=rows)
            if joined.made or joined.status is None:
                return joined  # else another run has come since the runs were looked up

    async def keyed_runs(self, run_ids: Collection[str]) -> list[KeyedRun]:
        ids = self._dialect.array(run_ids)
        rows = await self._read(self._singletons.keyed_runs, ids=ids)
        return list(map(KeyedRun._make, rows))

    async def _joined(
        self,
        run: NewRun,
        key: str,
        rows: Rows,
        *,
        queues: bool,
        ids: Sequence[str] | None = None,
        cancels: Sequence[Step] = _NO_CANCELS,
    ) -> Joined | None:
        """Insert the run if it may be, in the place of the runs with ``ids`` if they are given, and
        with steps that cancel those. None if no run is known for which it makes way.
        """
        q, array = self._singletons, self._dialect.array
        known: dict[str, object] = {
            "singleton_key": key,
            "queues": int(queues),
            "replaces": int(ids is not None),
            "ids": array([pair(run.workflow, key)]),
            "workflow": run.workflow,
            "id": run.id,
            "limit": 1,
        }
        (turn,) = steps_of([q.lock_singletons], known)
        known["ids"] = array(ids or ())

        def insert(row: NewRun) -> Step:
            return Step.of(q.insert_singleton, {**row._asdict(), **known})

        steps = self._batch_steps.of_one(run, rows, insert)
        seen = steps_of([q.singleton_made, q.singletons_under_way], known)
        locks = steps_of([self._runs.lock_steered], known) if ids else []
        answers = await self._dialect.write([turn, *locks, *steps.values(), *cancels, *seen])
        inserted = answers[1 + len(locks) : 1 + len(locks) + len(steps)]
        found = dict(zip(steps, inserted, strict=True))
        if orphans_of([run], found.get("parents")):
            raise lost_parent(run.parent_id)
        made, first = answers[-2:]
        if made:
            return Joined(run.id, made=True)
        if run.idempotency_key is not None and found["keys"]:
            return Joined(str(found["keys"][0][2]), made=False)
        return Joined(first[0][0], False, first[0][1]) if first else None

    def _cancelling(
        self, run: NewRun, ids: Collection[str], act: Act, deadline: int
    ) -> Sequence[Step]:
        """Steps that cancel the runs before a new one, as ``SqlSteering.cancel`` does."""
        q, of_features = self._cancels, self._stages
        ending = [q.cancel_unowned, *of_features.dropped, q.cancel_owned, *of_features.ended]
        known = {
            **act._asdict(),
            "act_id": act.id,
            "new_id": run.id,
            "ids": self._dialect.array(ids),
            "deadline": deadline,
            "children": 1,
            "parent_id": None,
            "reason_code": ReasonCode.CANCELLED.value,
        }
        return steps_of([self._singletons.note_replaced, *ending], known)
