"""Glances at the write-ahead log of a file: whether anybody has written to it.

Costs a call of the system and reads nothing. Two commits within a tick of the file system's clock
may leave the log with one time and one size; the second of them is not told.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

GLANCE_DELAY_S = 0.1


class LogGlances:
    """Belongs to the loop; ``written`` is called on it, once for each ``begin``."""

    def __init__(self, path: str, written: Callable[[], None]) -> None:
        # SQLite keeps the log beside the file itself, not beside a link to it.
        self._log = f"{os.path.realpath(path)}-wal"
        self._written = written
        self._seen: tuple[int, int] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def note(self) -> None:
        """What was written up to now is known."""
        self._seen = self._state()

    def begin(self) -> None:
        """Glance until the log was written or ``end`` is called."""
        self._timer = asyncio.get_running_loop().call_later(GLANCE_DELAY_S, self._glance)

    def end(self) -> None:
        """Glance no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _glance(self) -> None:
        if self._state() == self._seen:
            self.begin()
        else:
            self._written()

    def _state(self) -> tuple[int, int] | None:
        """When the log was written last, and its size; None while there is none."""
        try:
            found = os.stat(self._log)  # noqa: PTH116 - often, and at half the price
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
