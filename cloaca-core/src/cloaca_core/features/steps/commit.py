"""What steps write with a batch: the values that bodies keep."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from cloaca_core.features.steps.records import MEMOS, MemoRow
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

_KEY: Final = MemoRow._fields.index("number") + 1


class MemoCommit(CommitPart):
    """Of several memos with one key the one of the newest attempt is written."""

    def __init__(self, queries: Queries, array: Array) -> None:
        super().__init__(queries, array)
        self._memo_row = queries.memos.record_memo.binder(MemoRow._fields + GUARD)

    def record(self, batch: Batch) -> Steps:
        if not (memos := batch.of(MEMOS)):
            return {}
        newest = last_of_each(sorted(memos, key=attrgetter("attempt")), _KEY)
        rows = guarded(batch, newest, self._memo_row)
        return {"memos": Step(self._queries.memos.record_memo, rows=rows)}
