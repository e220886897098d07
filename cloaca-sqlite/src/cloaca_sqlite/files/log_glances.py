"""Glances at the write-ahead log of a file: whether it was written to.

Costs a call of the system and reads nothing. A commit writes to the log first, and can be read only
once that has reached the disk: so what a look finds written counts as known after a second look.
Not told is a commit that takes longer than that, and the second of two within one tick of the file
system's clock that leave the log of one size.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TypeAlias

GLANCE_DELAY_S = 0.1

_State: TypeAlias = tuple[int, int] | None
"""When the log was written last, and its size; None while there is none."""


class LogGlances:
    """Belongs to the loop; ``written`` is called on it, once for each ``begin``."""

    def __init__(self, path: str, written: Callable[[], None]) -> None:
        # SQLite keeps the log beside the file itself, not beside a link to it.
        self._log = f"{os.path.realpath(path)}-wal"
        self._written = written
        self._known: _State = None
        self._looked_at: _State = None
        self._timer: asyncio.TimerHandle | None = None

    def note(self) -> None:
        """The file is looked at now: what was written up to the look before is known."""
        state = self._state()
        if state == self._looked_at:
            self._known = state
        self._looked_at = state

    def begin(self) -> None:
        """Glance until the log was written or ``end`` is called."""
        self._timer = asyncio.get_running_loop().call_later(GLANCE_DELAY_S, self._glance)

    def end(self) -> None:
        """Glance no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _glance(self) -> None:
        if self._state() == self._known:
            self.begin()
        else:
            self._written()

    def _state(self) -> _State:
        try:
            found = os.stat(self._log)  # noqa: PTH116 - often, and at half the price
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
