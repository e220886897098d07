"""What queues write with a batch: in which queue a run is that stays with its owner."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from cloaca_core.features.queues.records import IN_QUEUES, InQueue
from cloaca_core.features.queues.sql import QueueQueries
from cloaca_core.store.sql.commit_part import (
    GUARD,
    Array,
    CommitPart,
    Steps,
    guarded,
    last_of_each,
)
from cloaca_core.store.sql.dialect import Step

if TYPE_CHECKING:
    from cloaca_core.store.batch import Batch
    from cloaca_core.store.sql.base import Queries


class QueueCommit:
    """The last queue of each run is written."""

    def __init__(self, queries: Queries, _: Array) -> None:
        self._put_in_queue = queries.of(QueueQueries).put_in_queue
        self._row = self._put_in_queue.binder(InQueue._fields + GUARD)

    def part(self) -> CommitPart:
        return CommitPart(kinds=frozenset((IN_QUEUES,)), record=self._record)

    def _record(self, batch: Batch) -> Steps:
        if not (found := batch.of(IN_QUEUES)):
            return {}
        rows = guarded(batch, last_of_each(found, attrgetter("run_id")), self._row)
        return {"queues of runs": Step(self._put_in_queue, rows=rows)}
