"""Singletons: the contract of runs of which at most one of a key is under way."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.singletons.records import Joined, KeyedRun
from cloaca_core.features.steering.records import Act
from cloaca_core.run.rows import NewRun
from cloaca_core.store.batch import NO_ROWS, Rows
from cloaca_core.store.protocol import KernelStore


class SingletonStore(KernelStore, Protocol):
    """Runs with a singleton key, of which one for each (workflow, key) is under way.

    The runs of a key that have not ended stand in a row, by ``created_at`` and id. Each waits
    *behind* the run before it. When that run ends, in any way, the next waits behind the newest
    run before it that has not ended, and if there is none it may start. So one of them waits
    behind none: it is under way.

    All transactions that insert, end or begin again runs of a key take turns. None of them waits
    for a transaction of a user: a run whose idempotency key such a transaction writes is not
    inserted, and ``join`` raises ``StoreUnavailableError``.
    """

    async def join(self, run: NewRun, key: str, *, queues: bool, rows: Rows = NO_ROWS) -> Joined:
        """Insert a run with a singleton key, without an owner, at the end of the row of its key;
        its ``created_at`` is later than that of all runs before it. If a run has its idempotency
        key, nothing is inserted. If another run of its key has not ended, it is inserted only if
        it ``queues``. Repeating it changes nothing. It does not look at the parent: see
        ``stopped_with_parents``.
        """

    async def replace(
        self, run: NewRun, key: str, act: Act, deadline: int, rows: Rows = NO_ROWS
    ) -> Joined:
        """Insert a run as ``join`` does if it queues, and with it cancel all runs before it, as
        ``cancel`` does, with their children. If it is not inserted, nothing is cancelled.
        """

    async def keyed_runs(self, run_ids: Collection[str]) -> list[KeyedRun]:
        """Those of these runs that have a singleton key, by id."""
