"""Notices that other processes have changed the database, and wakes the parts concerned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from cloaca_core.store.changes import Change

if TYPE_CHECKING:
    from cloaca_core.store.protocol import Store


class Changes:
    """Belongs to the engine's loop. After each change ``runs_came`` is called, ``anything`` awaited
    as well unless only runs have come or gone, and then ``ended``; after steps of runs nothing of
    these. Last ``watched`` is called.
    """

    def __init__(
        self,
        store: Store,
        runs_came: Callable[[], None],
        anything: Callable[[], Awaitable[None]],
        ended: Callable[[], Awaitable[None]],
        watched: Callable[[], None],
    ) -> None:
        self._store = store
        self._runs_came = runs_came
        self._anything = anything
        self._ended = ended
        self._watched = watched
        self._news: Change | None = None

    async def turn(self) -> None:
        """Wait for a change, and tell the listeners."""
        if self._news is None:
            self._news = await self._store.wait_changed()
        # Kept until all listeners have been told: the next change may be long in coming.
        if self._news is not Change.STEPS:
            await self._tell(self._news)
        self._watched()
        self._news = None

    async def _tell(self, news: Change) -> None:
        self._runs_came()
        if news is Change.ANYTHING:
            await self._anything()
        await self._ended()
