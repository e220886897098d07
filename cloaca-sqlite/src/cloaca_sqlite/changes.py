"""Notices that another connection has changed the file, without reading a table.

``PRAGMA data_version`` on this store's writing connection changes only when others commit. It is
polled soon after the last change and then less and less often, down to once a second.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress

from cloaca_core.values.backoff import Backoff
from cloaca_sqlite.driver import Connection

LAST_DELAY_S = 1.0
_GROWTH = 1.5


class ChangeWatch:
    """Waits for changes by others; polls only while a coroutine waits."""

    def __init__(self, connection: Connection | None, first_delay: float) -> None:
        self._connection = connection
        self._stopped = asyncio.Event()
        self._seen: tuple[sqlite3.Connection, int] | None = None
        self._backoff = Backoff(first_delay, max(first_delay, LAST_DELAY_S), _GROWTH)

    def stop(self) -> None:
        """Make a waiting ``wait`` return."""
        self._stopped.set()

    async def wait(self) -> None:
        """Return when the file was changed since the last return, or after ``stop``."""
        if self._connection is None:
            await self._stopped.wait()
            return
        while not self._stopped.is_set():
            if await self._changed(self._connection):
                self._backoff.reset()
                return
            await self._pause()

    async def _changed(self, connection: Connection) -> bool:
        version = await connection.call(lambda raw: _data_version(raw))
        before, self._seen = self._seen, version
        return before != version

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.next()):
                await self._stopped.wait()


def _data_version(connection: sqlite3.Connection) -> tuple[sqlite3.Connection, int]:
    """The counter with its connection: after a reconnect the counter starts again."""
    return connection, int(connection.execute("PRAGMA data_version").fetchone()[0])
