"""Notices that another connection has changed the file.

Other stores send word of what must be acted on soon. For all else ``PRAGMA data_version`` is
polled on this store's writing connection, where it changes only when others commit: soon after the
last change and then less and less often, down to once a second. An idle file is polled without
reading a table.

While runs are watched, the log of the file is glanced at ten times a second, and only when it was
written is the counter read at once: no store sends word of steps.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol, TypeAlias

from cloaca_core.store.changes import Change, stronger
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row
from cloaca_core.values.times.backoff import Backoff
from cloaca_sqlite.driver import Connection, run_steps
from cloaca_sqlite.files.log_glances import LogGlances

LAST_DELAY_S = 1.0
_GROWTH = 1.5

_Version: TypeAlias = tuple[sqlite3.Connection, int]
"""The counter with its connection: after a reconnect the counter starts again."""


class WakeSource(Protocol):
    """The part of ``Wakeups`` that is used here."""

    heard: Callable[[Change], None]
    list_others: Step

    @property
    def listens(self) -> bool:
        """True when others can send word."""

    def met(self, rows: Sequence[Row]) -> None:
        """Take over the rows of ``list_others``."""


class ChangeWatch:
    """Waits for changes by others; polls only while a coroutine waits.

    A wait begins with a look at the file. If others could send word since the last look, the next
    one waits for its time: else each commit of a busy neighbour would lead to one.
    """

    def __init__(
        self, connection: Connection | None, first_delay: float, wakeups: WakeSource | None = None
    ) -> None:
        self._connection = connection
        self._wakeups = wakeups
        self._is_stopped = False
        self._woken = asyncio.Event()
        self._heard: Change | None = None
        self._seen: _Version | None = None
        self._backoff = Backoff(first_delay, max(first_delay, LAST_DELAY_S), _GROWTH)
        self._look_at = 0.0
        self._was_reachable = False
        self._is_watched = False
        self._glances: LogGlances | None = None
        if connection is not None:
            self._glances = LogGlances(connection.path, self._log_was_written)
        if wakeups is not None:
            wakeups.heard = self._hear

    def set_watched(self, *, watched: bool) -> None:
        """See ``Store.set_watched``."""
        if watched and not self._is_watched:
            self._woken.set()
        self._is_watched = watched

    def stop(self) -> None:
        """Make a waiting ``wait`` return."""
        self._is_stopped = True
        self._woken.set()

    async def wait(self) -> Change:
        """Return when the file was changed since the last return, or after ``stop``."""
        if not (self._was_reachable and self._is_reachable):
            self._look_at = 0.0
        while not self._is_stopped:
            heard = self._take()
            if heard is Change.MOVES:
                return heard
            if heard is Change.ANYTHING:
                self._look_at = 0.0
            if _now() >= self._look_at and await self._look():
                return Change.ANYTHING  # data_version does not say what changed
            if heard is Change.RUNS:
                return heard
            await self._pause()
        return Change.ANYTHING

    @property
    def _is_reachable(self) -> bool:
        """Whether others can send word."""
        return self._wakeups is not None and self._wakeups.listens

    def _hear(self, change: Change) -> None:
        self._heard = stronger(self._heard, change)
        self._woken.set()

    def _take(self) -> Change | None:
        heard, self._heard = self._heard, None
        self._woken.clear()
        return heard

    async def _look(self) -> bool:
        """Whether the file has changed; sets when the next look is due."""
        if self._connection is None or self._glances is None:
            self._look_at = math.inf
            return False
        self._glances.note()
        if has_changed := await self._has_changed(self._connection):
            self._backoff.reset()
            self._look_at = _now() + self._backoff.first
        else:
            self._look_at = _now() + self._backoff.next()
        return has_changed

    async def _has_changed(self, connection: Connection) -> bool:
        was_reachable = self._is_reachable
        version, listed = await connection.call(self._read)
        before, self._seen = self._seen, version
        if self._wakeups is not None and listed is not None:
            self._wakeups.met(listed)
        self._was_reachable = was_reachable and self._is_reachable
        return before != version

    def _read(self, raw: sqlite3.Connection) -> tuple[_Version, Sequence[Row] | None]:
        """Read the version, and the list of listeners if that has changed. On the connection's
        thread.
        """
        version = raw, int(raw.execute("PRAGMA data_version").fetchone()[0])
        if self._wakeups is None or version == self._seen:
            return version, None
        (listed,) = run_steps(raw, [self._wakeups.list_others])
        return version, listed

    async def _pause(self) -> None:
        """Until word comes, the next look is due or, while runs are watched, the log is written."""
        glances = self._glances if self._is_watched else None
        if glances is not None:
            glances.begin()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(None if math.isinf(self._look_at) else self._look_at):
                    await self._woken.wait()
        finally:
            if glances is not None:
                glances.end()

    def _log_was_written(self) -> None:
        self._look_at = 0.0
        self._woken.set()


def _now() -> float:
    return asyncio.get_running_loop().time()
