"""Runs with a singleton key, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import StoreUnavailableError, lost_parent
from cloaca_core.features.singletons.records import Joined, KeyedRun
from cloaca_core.features.steering.sql import SteeringQueries
from cloaca_core.run.rows import NewRun
from cloaca_core.store.batch import NO_ROWS, Rows
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.asking_part import AskingPart
from cloaca_core.store.sql.base import Queries, Statements, pair
from cloaca_core.store.sql.dialect import Answers, Dialect, More, Step, steps_of
from cloaca_core.store.sql.queries import Statement
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.states import ReasonCode

if TYPE_CHECKING:
    from cloaca_core.features.steering.records import Act

_ALL: Final = 2**31 - 1
_NO_CANCELS: Final[Sequence[Step]] = ()


class SingletonQueries(
    Statements,
    file="singletons.sql",
    news={"note_replaced": Change.ANYTHING},
):
    """Runs with a singleton key."""

    lock_singletons: Statement
    lock_singletons_of: Statement
    lock_singletons_of_owned: Statement
    share_key: Statement
    last_under_way: Statement
    give_key: Statement
    note_replaced: Statement
    singletons_under_way: Statement
    singleton_made: Statement
    keyed_runs: Statement


class SqlSingletons(AskingPart):
    """The operations on runs with a singleton key. Contracts: see ``SingletonStore``."""

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
            **run._asdict(),
            "singleton_key": key,
            "ids": array(ids or ()),
            "limit": 1,
        }
        before = [Step(q.lock_singletons, (array([pair(run.workflow, key)]),))]
        if ids:
            before.append(Step.of(self._runs.lock_steered, known))
        if is_shared := _is_shared(run):
            before.append(Step.of(q.share_key, known))
        before.append(Step.of(q.last_under_way, known))
        names: list[str] = []
        found: Answers = []

        def then(_: int, answers: Answers) -> Generator[More, Answers, None]:
            nonlocal names, found
            last, created_at, are_others = answers[-1][0] if answers[-1] else (None, 0, False)
            is_free = last is None or (queues and not (ids is not None and are_others))
            known["behind"], known["created_at"] = last, max(run.created_at, created_at + 1)
            steps = self._batch_steps.of_one(run, rows, Step.of(q.give_key, known))
            if not is_free or (is_shared and not answers[-2]):
                del steps["run"]
            names = list(steps)
            seen = steps_of([q.singleton_made, q.singletons_under_way], known)
            found = yield More([*steps.values(), *cancels, *seen], last=True)

        await self._dialect.write(before, then=then)
        of_run = dict(zip(names, found, strict=False))
        if self._batch_steps.orphans([run], of_run):
            raise lost_parent(run.parent_id)
        made, first = found[-2:]
        if made:
            return Joined(run.id, made=True)
        if run.idempotency_key is not None and of_run["keys"]:
            return Joined(str(of_run["keys"][0][2]), made=False)
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


def _is_shared(run: NewRun) -> bool:
    """Whether programs' own transactions may write the run's idempotency key: they write none that
    the engine has made for the body of its parent.
    """
    key = run.idempotency_key
    return key is not None and not (run.parent_id and key.startswith(f"{run.parent_id}{SEPARATOR}"))
