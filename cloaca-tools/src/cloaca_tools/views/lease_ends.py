"""Tells a view when a runner counts as gone, which no process records.

Looks at the runners after each change, and at the moment at which the first lease ends that is not
renewed by then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloaca_core.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from cloaca_core.engine.observe.watchers import Notices
    from cloaca_core.features.explain.facts import RunnerState
    from cloaca_core.values.times.instants import Instant

_SECOND = 1_000_000


class LeaseEnds:
    """Belongs to the engine's loop. ``look`` reads all runners, with the time of the store."""

    def __init__(
        self,
        notices: Notices,
        look: Callable[[], Awaitable[tuple[Sequence[RunnerState], Instant]]],
    ) -> None:
        self._notices = notices
        self._look = look
        self._gone: frozenset[str] | None = None

    async def next(self) -> None:
        """Return when there is a notice, or a runner has gone since the last return."""
        while not await self._has_news():
            pass

    async def _has_news(self) -> bool:
        try:
            states, now = await self._look()
        except StoreError:  # a view that reads says so; here changes are still heard of
            return await self._noticed(None)
        before, self._gone = self._gone, _gone(states, now)
        if before is not None and not self._gone <= before:
            return True
        return await self._noticed(_seconds_left(states, now))

    async def _noticed(self, seconds: float | None) -> bool:
        """Whether a notice comes in this time."""
        try:
            async with asyncio.timeout(seconds):
                await self._notices.next()
        except TimeoutError:
            return False
        return True


def _gone(states: Sequence[RunnerState], now: Instant) -> frozenset[str]:
    return frozenset([each.load.row.id for each in states if each.is_gone(now)])


def _seconds_left(states: Sequence[RunnerState], now: Instant) -> float | None:
    """Until the first lease of a live runner of another program ends; None if none does."""
    ends = [each.lease_until for each in states if not each.is_here and not each.is_gone(now)]
    return min([(end - now) / _SECOND for end in ends], default=None)
