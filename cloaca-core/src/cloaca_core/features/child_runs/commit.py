"""What child runs write with a batch: their ends, as messages to their parents."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.child_runs.records import TOLD_ENDS
from cloaca_core.features.child_runs.sql import ChildRunQueries
from cloaca_core.store.sql.commit_part import Array, CommitPart, Steps
from cloaca_core.store.sql.dialect import Step

if TYPE_CHECKING:
    from cloaca_core.store.batch import Batch
    from cloaca_core.store.sql.base import Queries


class ChildRunCommit:
    """After the ends: a message is sent if its run has ended, by whichever owner."""

    def __init__(self, queries: Queries, array: Array) -> None:
        self._array = array
        self._q = queries.of(ChildRunQueries)

    def part(self) -> CommitPart:
        q = self._q
        return CommitPart(
            kinds=frozenset((TOLD_ENDS,)),
            end=self._end,
            ended=[q.tell_parents],
            cancelled=[q.tell_of_cancelled],
        )

    def _end(self, batch: Batch) -> Steps:
        ids = self._array(sorted({each.run_id for each in batch.of(TOLD_ENDS)}))
        return {"told ends": Step(self._q.tell_parents, self._q.tell_parents.bind(ids=ids))}
