"""Maps: the contract of tasks whose bodies run once for each item."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.maps.records import ALL, ItemMark, ItemRestart, MapRow
from cloaca_core.run.rows import AttemptRow
from cloaca_core.store.protocol import KernelStore


class MapStore(KernelStore, Protocol):
    """Maps of runs. ``commit`` writes them with the other rows of their runs: one that is opened
    anew replaces the row of its earlier opening. Attempts of items are rows of ``attempts``.
    """

    async def maps(self, run_ids: Collection[str]) -> list[MapRow]:
        """The maps of these runs as they were opened last, by run and task. Only reads."""

    async def items(
        self, run_id: str, task_id: str, first: int, last: int, *, results: bool = True
    ) -> list[AttemptRow]:
        """The attempts of the items of a map from the index ``first`` on and before ``last``, by
        item and attempt; without tracebacks, and without their changes unless ``results``. Only
        reads.
        """

    async def item_marks(
        self, run_id: str, task_id: str, first: int = 0, last: int = ALL
    ) -> list[ItemMark]:
        """States and times of all attempts of the items of a map from the index ``first`` on and
        before ``last``, by item and attempt: little, of items whose results may be large. Only
        reads.
        """

    async def restarted_items(self, run_ids: Collection[str]) -> list[ItemRestart]:
        """The items that retries and forks have chosen, by run, task, item and attempt. Only
        reads.
        """

    async def chosen_items(
        self, run_id: str, task_id: str, indexes: Collection[int]
    ) -> list[AttemptRow]:
        """As ``items``, of those of these indexes. Only reads."""
