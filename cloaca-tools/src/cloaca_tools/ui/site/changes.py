"""Numbers the changes of the database for all open pages, so that a page knows whether it is old.

One listener serves all streams. It begins with the first page that is made, so that no change
between a page and its stream is missed, and ends some time after the last.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import CloacaError

if TYPE_CHECKING:
    from cloaca_tools.observer import Observer

IDLE: Final = 30.0
"""Seconds without a page or a new stream after which nothing listens any more."""
LEAVING: Final = 5.0
"""Seconds after a signal in which no stream opens; a server that goes on has streams again then."""


class Changes:
    """Belongs to the server's loop."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._series = ""
        self._number = 0
        self._news = asyncio.Event()
        self._listener: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._idle: asyncio.TimerHandle | None = None
        self._left_at = float("-inf")

    @property
    def is_leaving(self) -> bool:
        """Whether the server was asked to end, a short while ago."""
        return asyncio.get_running_loop().time() < self._left_at + LEAVING

    async def mark(self) -> str:
        """The mark of the latest change: a page that is made after this call has seen all changes
        up to it. Empty if the database, or the program, does not answer.
        """
        loop = asyncio.get_running_loop()
        listener = self._listener
        if listener is None or listener.done() or listener.get_loop() is not loop:
            self._begun = asyncio.Event()
            self._listener = listener = loop.create_task(self._listen(self._begun))
        await self._begun.wait()
        if self._idle is not None:
            self._idle.cancel()
        self._idle = loop.call_later(IDLE, listener.cancel)
        return self._mark

    async def after(self, mark: str, seconds: float) -> str | None:
        """The mark of the latest change, once that is another one; None if there is none within
        this time, or the stream is to end.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._mark == mark and not self.is_leaving:
                    await self._news.wait()
        return None if self._mark in ("", mark) or self.is_leaving else self._mark

    def leave(self) -> None:
        """The server was asked to end: all streams end."""
        self._left_at = asyncio.get_running_loop().time()
        self._tell()

    @property
    def _mark(self) -> str:
        return self._series and f"{self._series}-{self._number}"

    async def _listen(self, begun: asyncio.Event) -> None:
        with suppress(CloacaError):  # the program ends, or the database is gone
            await self._number_changes(begun)
        begun.set()

    async def _number_changes(self, begun: asyncio.Event) -> None:
        try:
            async with self._observer.notices() as notices:
                self._series, self._number = secrets.token_hex(4), 0
                begun.set()
                async for _ in notices:
                    self._number += 1
                    self._tell()
        finally:
            self._series = ""
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
