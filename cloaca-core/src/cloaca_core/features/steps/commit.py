"""Rows of steps in a batch: the values that bodies keep."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from cloaca_core.features.steps.records import MEMOS, MemoRow, key_of_memo
from cloaca_core.features.steps.sql import MemoQueries
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


class MemoCommit:
    """The statements for memos. Of several memos with one key, the memo of the newest attempt is
    written.
    """

    def __init__(self, queries: Queries, _: Array) -> None:
        self._record_memo = queries.of(MemoQueries).record_memo
        self._memo_row = self._record_memo.binder(MemoRow._fields + GUARD)

    def part(self) -> CommitPart:
        return CommitPart(kinds=frozenset((MEMOS,)), record=self._record)

    def _record(self, batch: Batch) -> Steps:
        if not (memos := batch.of(MEMOS)):
            return {}
        newest = last_of_each(sorted(memos, key=attrgetter("attempt")), key_of_memo)
        rows = guarded(batch, newest, self._memo_row)
        return {"memos": Step(self._record_memo, rows=rows)}
