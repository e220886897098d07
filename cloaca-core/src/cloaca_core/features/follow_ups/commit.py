"""Rows of follow-ups in a batch: runs that follow the ends in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.features.follow_ups.records import FOLLOW_UPS, NewFollowUp
from cloaca_core.features.follow_ups.sql import FollowUpQueries
from cloaca_core.store.sql.commit_part import GUARD, Array, CommitPart, Steps, guarded
from cloaca_core.store.sql.dialect import Step

if TYPE_CHECKING:
    from cloaca_core.store.batch import Batch
    from cloaca_core.store.sql.base import Queries


class FollowUpCommit:
    """The statements for follow-ups, after the ends: a row is inserted if its run has ended with
    the row's status.
    """

    def __init__(self, queries: Queries, _: Array) -> None:
        self._q = queries.of(FollowUpQueries)
        self._follow_up_row = self._q.insert_follow_up.binder(NewFollowUp._fields + GUARD)

    def part(self) -> CommitPart:
        q = self._q
        return CommitPart(
            kinds=frozenset((FOLLOW_UPS,)),
            end=self._end,
            ended=[q.follow_ends],
            cancelled=[q.follow_cancelled],
        )

    def _end(self, batch: Batch) -> Steps:
        if not (follow_ups := batch.of(FOLLOW_UPS)):
            return {}
        rows = guarded(batch, follow_ups, self._follow_up_row)
        return {"follow-ups": Step(self._q.insert_follow_up, rows=rows)}
