"""Background loops that do not die silently."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from cloaca_core.errors import StoreError
from cloaca_core.logs import SafeLogger

log = SafeLogger("cloaca.engine")

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0


class SupervisedLoop:
    """Runs ``turn`` again and again until it is stopped.

    An exception is logged and followed by a pause that doubles up to ``longest_pause`` seconds;
    the next turn that succeeds resets it. ``turn`` itself waits for its event.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], Awaitable[None]],
        *,
        longest_pause: float = LONGEST_PAUSE,
    ) -> None:
        self.name = name
        self.last_success: float | None = None
        self.failure: Exception | None = None
        self._turn = turn
        self._longest_pause = longest_pause
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        self._task = asyncio.create_task(self._run(), name=f"cloaca-{self.name}")

    async def stop(self) -> None:
        """End it and return when it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        pause = first_pause = min(FIRST_PAUSE, self._longest_pause)
        while True:
            try:
                await self._turn()
            except StoreError as error:
                # In a line: an outage lasts, and where it was met says nothing.
                log.warning("the %s loop failed, again in %.1f s: %s", self.name, pause, error)
                self.failure = error
            except Exception as error:
                log.exception("the %s loop failed, again in %.1f s", self.name, pause)
                self.failure = error
            else:
                self.last_success = time.time()
                self.failure = None
                pause = first_pause
                continue
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._longest_pause)
