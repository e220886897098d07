"""The part of the store contract that is about runs with a singleton key, in plain Python."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.singletons.records import Joined, KeyedRun
from cloaca_core.features.steering.records import Act
from cloaca_core.run.rows import NewRun, RunRow
from cloaca_core.store.acts import Acted
from cloaca_core.store.batch import NO_ROWS, Rows


class MemorySingletons:
    """Part of ``MemoryStore``, which has the runs and knows what waits behind them."""

    def __init__(self) -> None:
        self.runs: dict[str, RunRow] = {}
        self.behind: dict[str, str] = {}

    async def insert_when_free(self, run: NewRun, rows: Rows = NO_ROWS) -> str:
        """Insert one run without an owner, or find the run that has its idempotency key."""
        raise NotImplementedError

    async def cancel(
        self,
        run_ids: Collection[str],
        act: Act,
        deadline: int,
        *,
        children: bool,
        parent_id: str | None = None,
    ) -> dict[str, Acted]:
        """Cancel runs."""
        raise NotImplementedError

    def holder_of(self, run: NewRun) -> str | None:
        """The run that has the idempotency key of a new run."""
        raise NotImplementedError

    def row_of_key(self, workflow: str, key: str) -> list[RunRow]:
        """The runs of a key that have not ended, in their order."""
        found = [
            run
            for run in self.runs.values()
            if (run.workflow, run.singleton_key) == (workflow, key) and run.ended_at is None
        ]
        return sorted(found, key=lambda run: (run.created_at, run.id))

    async def join(self, run: NewRun, key: str, *, queues: bool, rows: Rows = NO_ROWS) -> Joined:
        if run.id in self.runs:
            return Joined(run.id, made=True)
        if (holder := self.holder_of(run)) is not None:
            return Joined(holder, made=False)
        before = self.row_of_key(run.workflow, key)
        if before and not queues:
            return Joined(before[0].id, made=False, status=before[0].status)
        await self.insert_when_free(run, rows)
        made = self.runs[run.id]._replace(singleton_key=key)
        if before:
            last = before[-1]
            self.behind[run.id] = last.id
            made = made._replace(created_at=max(run.created_at, last.created_at + 1))
        self.runs[run.id] = made
        return Joined(run.id, made=True)

    async def replace(
        self, run: NewRun, key: str, act: Act, deadline: int, rows: Rows = NO_ROWS
    ) -> Joined:
        row = self.row_of_key(run.workflow, key)
        if (known := self.runs.get(run.id)) is not None:  # sent again
            row = [each for each in row if each.created_at < known.created_at]
        before = [each.id for each in row]
        joined = await self.join(run, key, queues=True, rows=rows)
        if joined.made and before:
            await self.cancel(before, act, deadline, children=True)
        return joined

    async def keyed_runs(self, run_ids: Collection[str]) -> list[KeyedRun]:
        found = []
        for run in (self.runs[each] for each in sorted(run_ids) if each in self.runs):
            if run.singleton_key is None:
                continue
            row = self.row_of_key(run.workflow, run.singleton_key)
            first = next((each for each in row if each.id != run.id), None)
            holder = (None, None) if first is None else (first.id, str(first.status))
            found.append(KeyedRun(run.id, run.workflow, run.singleton_key, *holder))
        return found
