"""A memo in the journal. The body continues as soon as it is durable, without a hop to the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.record.entries import Draft
from cloaca_core.engine.record.run_entry import RunEntry, RunListener
from cloaca_core.features.steps.records import MEMOS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.orchestrate.run_records import RunRecords
    from cloaca_core.errors import StoreError
    from cloaca_core.features.steps.records import MemoRow
    from cloaca_core.features.steps.steps import Tell
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.store.batch import Committed


def write_memo(
    records: RunRecords,
    attempt: Attempt,
    memo: MemoRow,
    marks: Sequence[AttemptRow],
    tell: Tell,
    then: Callable[[], None],
) -> None:
    """Write a memo and these rows of its body, answer the body, and call ``then``."""
    records.add(MemoEntry(records.listener, attempt.owner, memo, marks, tell, then))


class MemoEntry(RunEntry):
    """``tell`` is called when the memo is durable, or with the error if the database refuses it. It
    is not called if this runner no longer owns the run: then the listener gives up its bodies. It
    may be called twice.
    """

    __slots__ = ("_tell", "memo")

    def __init__(
        self,
        listener: RunListener,
        run: ActiveRun,
        memo: MemoRow,
        marks: Sequence[AttemptRow],
        tell: Tell,
        then: Callable[[], None],
    ) -> None:
        super().__init__(listener, run, marks, None, then=then)
        self.memo: MemoRow = memo
        self._tell = tell
        self.on_commit = self._land
        self.weight += MEMOS.weight((memo,))

    def add_to(self, draft: Draft) -> None:
        super().add_to(draft)
        draft.put(MEMOS, (self.memo,))

    def _land(self, committed: Committed) -> None:
        if self.run.id in committed.current:
            self._tell(None)

    def settled(self, committed: Committed) -> None:
        self._land(committed)
        super().settled(committed)

    def refused(self, error: StoreError) -> None:
        self._tell(error)
