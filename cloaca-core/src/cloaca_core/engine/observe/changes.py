"""Notices that another process has changed the database, and wakes the parts concerned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from cloaca_core.store.changes import Change

if TYPE_CHECKING:
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.store.protocol import KernelStore


class Changes:
    """Belongs to the engine's loop. ``ended`` is called after each change but steps and moves of
    runs; ``anything`` too, unless only runs were added or removed.
    """

    def __init__(
        self,
        store: KernelStore,
        subjects: Subjects,
        anything: Callable[[], Awaitable[None]],
        ended: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._subjects = subjects
        self._anything = anything
        self._ended = ended
        self._news: Change | None = None

    async def turn(self) -> None:
        """Wait for a change, and notify the listeners."""
        if self._news is None:
            self._news = await self._store.wait_changed()
        # Kept until all listeners have been told: the next change may be long in coming.
        if self._news is Change.MOVES:
            self._subjects.claimable_here.publish()
        elif self._news is not Change.STEPS:
            await self._tell(self._news)
        self._subjects.display_changed.publish()
        self._news = None

    async def _tell(self, news: Change) -> None:
        self._subjects.claimable.publish()
        if news is Change.ANYTHING:
            self._subjects.anything.publish()
            await self._anything()
        await self._ended()
