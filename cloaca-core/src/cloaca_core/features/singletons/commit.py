"""Ends of runs with a singleton key in a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.singletons.sql import SingletonQueries
from cloaca_core.store.sql.commit_part import Array, CommitPart, Locks

if TYPE_CHECKING:
    from cloaca_core.store.batch import Batch
    from cloaca_core.store.sql.base import Queries


class SingletonCommit:
    """A runner that ends a run takes turns with a program that puts another run behind it. The
    next run is let start by ``start_next``, as after a run of a schedule.
    """

    def __init__(self, queries: Queries, _: Array) -> None:
        self._q = queries.of(SingletonQueries)

    def part(self) -> CommitPart:
        q = self._q
        return CommitPart(
            kinds=frozenset(),
            after_ends=True,
            lock=q.lock_singletons,
            locks=self._locks,
            lock_of=[q.lock_singletons_of],
            lock_of_owned=[q.lock_singletons_of_owned],
        )

    def _locks(self, batch: Batch) -> Locks:
        return Locks({end.singleton for end in batch.ends if end.singleton is not None})
