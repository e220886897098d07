"""Notes that runs have ended unseen by this runner, until their waiting callers are notified."""

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
        """A run for which a caller here waits may have ended."""
        self._noted = True

    async def tell(self) -> None:
        """Notify waiting callers if there may be such an end. If that fails, the next call tries
        again.
        """
        if self._noted:
            await self._tell_waiters()
            self._noted = False
