"""Notices that something in the database may have changed, or that a runner is gone, for a view
that then reads anew.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final, Self

from cloaca_core.engine.calls.call import Call, unchanged
from cloaca_core.errors import RunnerClosedError

if TYPE_CHECKING:
    from types import TracebackType

    from cloaca_core.assembly.engine import Engine
    from cloaca_core.assembly.host import EngineHost
    from cloaca_tools.views.lease_ends import LeaseEnds

APART: Final = 0.1
"""Seconds between two notices at least: one notice may stand for many changes, and the last change
always has one.
"""


class NoticeStream:
    """``async with`` it, then ``async for``: a notice for each time that something has changed
    since the one before. A caller that is slow misses none, but gets one for several.
    """

    def __init__(self, host: EngineHost) -> None:
        self._host = host
        self._listening = ExitStack()
        self._ends: LeaseEnds | None = None
        self._told = float("-inf")

    async def __aenter__(self) -> Self:
        await Call(lambda: self._host.send(self._listen), unchanged)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(RunnerClosedError):  # then there is no one to listen to
            self._host.send(self._leave)  # not awaited: the caller may have been cancelled

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> None:
        await Call(lambda: self._host.send(self._next), unchanged)

    # On the engine's loop.

    async def _listen(self, engine: Engine) -> None:
        from cloaca_tools.views.lease_ends import LeaseEnds  # few programs listen

        notices = self._listening.enter_context(engine.watchers.listening())
        self._ends = LeaseEnds(notices, engine.explainer.leases)

    async def _leave(self, _: Engine) -> None:
        self._listening.close()

    async def _next(self, _: Engine) -> None:
        if self._ends is None:
            raise RuntimeError("enter the stream first")
        await self._ends.next()
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._told + APART - loop.time()))
        self._told = loop.time()
