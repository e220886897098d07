"""The part of the store contract about maps, as plain Python over dicts."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.maps.records import ALL, MAPS, ItemMark, ItemRestart, MapRow
from cloaca_core.run.rows import AttemptRow
from cloaca_core.store.batch import Batch


class MemoryMaps:
    """Part of ``MemoryStore``."""

    attempts: dict[tuple[str, str, int, int], AttemptRow]
    restarted_of_maps: dict[tuple[str, str, int, int], int]

    def __init__(self) -> None:
        self.opened_maps: dict[tuple[str, str], MapRow] = {}

    def open_maps(self, batch: Batch, current: Collection[str]) -> None:
        """Write the maps of runs that are the runner's own."""
        for row in batch.of(MAPS):
            if row.run_id in current:
                self.opened_maps[row.run_id, row.task_id] = row

    async def maps(self, run_ids: Collection[str]) -> list[MapRow]:
        return [row for _, row in sorted(self.opened_maps.items()) if row.run_id in run_ids]

    async def items(
        self, run_id: str, task_id: str, first: int, last: int, *, results: bool = True
    ) -> list[AttemptRow]:
        found = [
            row
            for key, row in sorted(self.attempts.items())
            if key[:2] == (run_id, task_id) and first <= row.item < last
        ]
        bare = [row._replace(error_traceback=None) for row in found]
        return bare if results else [row._replace(change=None) for row in bare]

    async def item_marks(
        self, run_id: str, task_id: str, first: int = 0, last: int = ALL
    ) -> list[ItemMark]:
        return [
            ItemMark(row.item, row.attempt, row.status, row.started_at, row.ended_at, row.retry_at)
            for row in self._all_items(run_id, task_id)
            if first <= row.item < last
        ]

    async def restarted_items(self, run_ids: Collection[str]) -> list[ItemRestart]:
        return [
            ItemRestart(*key, number)
            for key, number in sorted(self.restarted_of_maps.items())
            if key[0] in run_ids
        ]

    async def chosen_items(
        self, run_id: str, task_id: str, indexes: Collection[int]
    ) -> list[AttemptRow]:
        return [row for row in self._all_items(run_id, task_id) if row.item in indexes]

    def _all_items(self, run_id: str, task_id: str) -> list[AttemptRow]:
        return [
            row
            for key, row in sorted(self.attempts.items())
            if key[:2] == (run_id, task_id) and row.item >= 0
        ]
