"""The part of the store contract about memos, as plain Python over dicts."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.steering.records import NewFork
from cloaca_core.features.steps.records import MEMOS, MemoRow, key_of_memo
from cloaca_core.run.rows import THE_TASK
from cloaca_core.store.batch import Batch


class MemoryMemos:
    """Part of ``MemoryStore``."""

    def __init__(self) -> None:
        self.kept_memos: dict[tuple[str, str, int, str, str, int], MemoRow] = {}

    def keep(self, batch: Batch, current: Collection[str]) -> None:
        """Write the memos of runs that are the runner's own."""
        for memo in batch.of(MEMOS):
            if memo.run_id in current:
                earlier = self.kept_memos.get(key_of_memo(memo))
                if (
                    earlier is None
                    or earlier.input_hash != memo.input_hash
                    or earlier.attempt < memo.attempt
                ):
                    self.kept_memos[key_of_memo(memo)] = memo

    def copy_memos(self, new: NewFork) -> None:
        """Give a fork the memos of its source that it is to find."""
        for key, memo in list(self.kept_memos.items()):
            if memo.run_id == new.source_id and memo.task_id in new.memos_of:
                copied = memo._replace(run_id=new.id, attempt=0)
                self.kept_memos[new.id, *key[1:]] = copied

    async def memos(self, run_id: str, task_id: str, item: int = THE_TASK) -> list[MemoRow]:
        """The memos of a task, or of an item."""
        wanted = (run_id, task_id, item)
        return [memo for key, memo in sorted(self.kept_memos.items()) if key[:3] == wanted]
