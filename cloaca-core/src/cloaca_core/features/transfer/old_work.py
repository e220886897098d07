"""Old work: the contract of reading a database that cloaca 0.2 or 0.12 has written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cloaca_core.features.transfer.old_work_records import OldRun, OldSchedule, Release


class OldWork(Protocol):
    """Reads one database; belongs to the loop on which it was opened. Nothing is written."""

    @property
    def release(self) -> Release:
        """Which release has written it."""

    async def runs(self, after: str, limit: int) -> list[OldRun]:
        """Up to ``limit`` runs with their tasks, in the order of ids, after this one."""

    async def schedules(self) -> Sequence[OldSchedule]:
        """All cron schedules."""

    async def close(self) -> None:
        """Close the connection. Safe to call twice."""
