"""Background loops that do not die silently, and a way for a loop to sleep until it has something
to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.logs import SafeLogger
from cloaca_core.values.times.backoff import Backoff
from cloaca_core.values.times.clock import SYSTEM_CLOCK, Clock

log = SafeLogger("cloaca.engine")

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 1.0


class SupervisedLoop:
    """Runs ``turn`` again and again until it is stopped.

    An exception is logged and followed by a pause that doubles up to ``longest_pause`` seconds. The
    next turn that succeeds resets it, and so does a new connection to a database that could not be
    reached. ``turn`` itself waits for its event. After an error that does not come from the
    database, ``faulted`` is called: the turn may have failed to wake another loop.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], Awaitable[None]],
        clock: Clock = SYSTEM_CLOCK,
        longest_pause: float = LONGEST_PAUSE,
        faulted: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.last_success: float | None = None
        self.failure: Exception | None = None
        self._turn = turn
        self._longest_pause = longest_pause
        self._faulted = faulted
        self._clock = clock
        self._connected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running loop."""
        self._task = asyncio.create_task(self._run(), name=f"cloaca-{self.name}")

    async def stop(self) -> None:
        """End it. Returns when it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def connected(self) -> None:
        """A connection to the database has opened: repeat a turn that failed without one."""
        self._connected.set()

    async def _run(self) -> None:
        backoff = Backoff(FIRST_PAUSE, self._longest_pause)
        while True:
            try:
                await self._turn()
            except StoreError as error:
                # In one line: an outage lasts, and a traceback would say nothing.
                log.warning(
                    "the %s loop failed, again in %.1f s: %s", self.name, backoff.pause, error
                )
                self.failure = error
            except Exception as error:
                log.exception("the %s loop failed, again in %.1f s", self.name, backoff.pause)
                self.failure = error
                self._faulted()
            else:
                self.last_success = self._clock.wall() / 1e6
                if self.failure is not None:
                    self.failure = None
                    backoff.reset()
                continue
            await self._pause(backoff)

    async def _pause(self, backoff: Backoff) -> None:
        """Wait for the next turn: at least ``FIRST_PAUSE``, also after a connection has opened,
        since it may be lost at once.
        """
        self._connected.clear()
        seconds = backoff.next()
        await asyncio.sleep(min(seconds, FIRST_PAUSE))
        if seconds > FIRST_PAUSE and not isinstance(self.failure, StoreUnavailableError):
            await asyncio.sleep(seconds - FIRST_PAUSE)
        elif seconds > FIRST_PAUSE:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds - FIRST_PAUSE):
                    await self._connected.wait()
                    backoff.reset()


def supervised(
    turns: Mapping[str, Callable[[], Awaitable[None]]],
    clock: Clock,
    longest_pauses: Mapping[str, float],
    faulted: Callable[[], None],
) -> list[SupervisedLoop]:
    """Make the loops of these turns, by their names. Few need a longest pause of their own."""
    return [
        SupervisedLoop(name, turn, clock, longest_pauses.get(name, LONGEST_PAUSE), faulted)
        for name, turn in turns.items()
    ]


class Wakeup:
    """Wakes one loop when the time has come, or earlier on request."""

    def __init__(self) -> None:
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be something to do sooner than expected. It also counts during a turn."""
        self._woken.set()

    async def turn(self, act: Callable[[], Awaitable[float | None]]) -> None:
        """Call ``act``, then sleep for the seconds it returned (None: for ever) or until woken."""
        self._woken.clear()
        seconds = await act()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
