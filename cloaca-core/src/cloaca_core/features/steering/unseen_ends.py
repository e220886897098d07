"""Remembers runs whose end this runner has not seen, until their waiters are notified."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class UnseenEnds:
    """Belongs to the engine's loop. ``tell_waiters`` reads ends that only the tables have."""

    def __init__(self, tell_waiters: Callable[[], Awaitable[None]]) -> None:
        self._tell_waiters = tell_waiters
        self._noted = False

    def note(self) -> None:
        """A run may have ended for which a caller here waits."""
        self._noted = True

    async def tell(self) -> None:
        """Tell the waiters if there may be such an end; if that fails, the next call does."""
        if self._noted:
            await self._tell_waiters()
            self._noted = False
