"""Memos: the contract of values that bodies of tasks keep."""

from __future__ import annotations

from typing import Protocol

from cloaca_core.features.steps.records import MemoRow
from cloaca_core.run.rows import THE_TASK
from cloaca_core.store.protocol import KernelStore


class MemoStore(KernelStore, Protocol):
    """Values that bodies of tasks keep.

    ``commit`` writes them. A memo replaces an earlier one with its key that was made for another
    input or by an earlier attempt, else it changes nothing.
    """

    async def memos(self, run_id: str, task_id: str, item: int = THE_TASK) -> list[MemoRow]:
        """All memos of a task or an item, for any of its inputs, by kind, name and number. Only
        reads.
        """
