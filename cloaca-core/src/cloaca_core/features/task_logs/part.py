"""Task logs: the contract of lines that bodies have logged, and of their progress."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.maps.part import MapStore
from cloaca_core.features.task_logs.records import ChunkFilter, LogChunk, ProgressRow
from cloaca_core.store.protocol import KernelStore


class TaskLogStore(KernelStore, Protocol):
    """Lines and progress of attempts.

    ``commit`` writes them. A chunk of lines with the position of an earlier chunk changes nothing;
    progress replaces the attempt's earlier progress; old chunks are deleted.
    """

    async def log_chunks(self, wanted: ChunkFilter) -> list[LogChunk]:
        """The chunks that match, by position; with ``before`` the last of them, newest first. The
        first may begin with lines up to ``after``. Only reads.
        """

    async def progress(self, run_ids: Collection[str]) -> list[ProgressRow]:
        """The progress of the attempts of these runs that reported some, by run, task and attempt.
        Only reads.
        """


class LogStore(TaskLogStore, MapStore, Protocol):
    """Lines of attempts, and the maps by whose items they may be asked for."""
