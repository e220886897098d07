"""The health of the database, as the page tells it: looked at now and then, not for each page."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from cloaca_tools.doctor.glance import Glance, glance

if TYPE_CHECKING:
    from cloaca_core.client.async_client import AsyncClient
    from cloaca_core.client.client import Client

KEPT: Final = 10.0
"""Seconds for which an answer is kept."""
PATIENCE: Final = 0.03
"""Seconds that a page waits for a new answer; after that it shows the one before."""


class Health:
    """Looks at most once at a time. Belongs to the server's loop."""

    def __init__(self, client: Client | AsyncClient) -> None:
        self._client = client
        self._last: Glance | None = None
        self._until = 0.0
        self._asked: asyncio.Task[Glance] | None = None

    async def look(self) -> Glance | None:
        """The last answer; None if there is none yet."""
        loop = asyncio.get_running_loop()
        if self._asked is None and loop.time() >= self._until:
            self._asked = asyncio.create_task(self._ask())
        if self._asked is not None:
            await asyncio.wait({self._asked}, timeout=PATIENCE)
            self._take(loop.time())
        return self._last

    async def _ask(self) -> Glance:
        return await glance(self._client)

    def _take(self, now: float) -> None:
        asked = self._asked
        if asked is None or not asked.done():
            return
        self._asked, self._until = None, now + KEPT
        if not asked.cancelled() and asked.exception() is None:
            self._last = asked.result()
