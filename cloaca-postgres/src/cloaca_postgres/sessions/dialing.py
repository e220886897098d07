"""Opens a connection without the loop's executor, whose threads would keep the process alive.

libpq looks up host names while it connects, which blocks; so it connects on a daemon thread.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Final, TypeAlias

import psycopg

from cloaca_core.errors import StoreUnavailableError
from cloaca_postgres.errors import one_line
from cloaca_postgres.url import Target

Wire: TypeAlias = psycopg.Connection[tuple[object, ...]]

KEEPALIVES: Final = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


async def dial(target: Target, timeout: float) -> Wire:
    """Connect, or raise ``StoreUnavailableError`` with libpq's message."""
    call = _Call(
        target.conninfo(
            **KEEPALIVES,
            connect_timeout=max(1, round(timeout)),
            fallback_application_name="cloaca",
        )
    )
    hosts = 1 + target.parameters.get("host", "").count(",")
    try:
        async with asyncio.timeout(timeout * hosts):
            await call.answered()
        return call.take()
    except TimeoutError as error:
        raise StoreUnavailableError(
            f"{target.place}: no connection within {timeout * hosts:g} seconds"
        ) from error
    except (psycopg.Error, OSError) as error:
        raise StoreUnavailableError(f"{target.place}: {one_line(error)}") from error
    finally:
        call.abandon()


class _Call:
    """One attempt to connect. Its connection is closed unless the caller takes it."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._loop = asyncio.get_running_loop()
        self._done = asyncio.Event()
        self._lock = threading.Lock()
        self._abandoned = False
        self._found: Wire | None = None
        self._error: psycopg.Error | OSError | None = None

    async def answered(self) -> None:
        """Connect, and return when that has succeeded or failed."""
        threading.Thread(target=self._connect, name="cloaca-dial", daemon=True).start()
        await self._done.wait()

    def take(self) -> Wire:
        """Return the connection, or raise the driver's error."""
        found, self._found = self._found, None
        if found is None:
            raise self._error or psycopg.OperationalError("nothing was found")
        return found

    def abandon(self) -> None:
        """Stop waiting; a connection that still comes is closed."""
        with self._lock:
            self._abandoned = True
            if self._found is not None:
                self._found.close()

    def _connect(self) -> None:
        """Connect, on a separate thread."""
        try:
            found = psycopg.connect(self._conninfo, autocommit=True, client_encoding="UTF8")
        except (psycopg.Error, OSError) as error:  # OSError: its socket was closed by others
            self._error = error
        else:
            self._keep(found)
        with suppress(RuntimeError):  # the loop is closed: no caller waits
            self._loop.call_soon_threadsafe(self._done.set)

    def _keep(self, found: Wire) -> None:
        with self._lock:
            if self._abandoned:
                found.close()
            else:
                self._found = found
