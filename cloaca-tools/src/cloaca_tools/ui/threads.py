"""Threads of its own for one kind of work, so that no other kind waits for it.

The loop's threads belong to the whole program, and are few: slow requests of one stranger held up
all pages there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from typing import Any, Final, TypeVar

from cloaca_tools.ui.refusals import RefusedError

T = TypeVar("T")

AUTH: Final = (32, 16)
"""Threads for ``auth`` in all, and for the requests of one address: others keep as many."""
PAGES: Final = (12, 4)
"""Threads that make pages in all, and for one visitor."""
SECONDS: Final = 30.0
"""Seconds until a request is refused that waits for its thread, or whose thread is not done."""


class Threads:
    """Runs functions for askers, of whom none has all threads. Belongs to the server's loop."""

    def __init__(self, name: str, most: int, each: int, seconds: float = SECONDS) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=f"cloaca page {name}")
        self._each = each
        self._seconds = seconds
        self._turns: dict[str, _Turn] = {}

    async def run(self, asker: str, function: Callable[..., T], /, *args: Any) -> T:
        """The result of a function, which runs when the asker has a thread; ``RefusedError`` if
        that takes too long. A function that is late keeps its thread until it ends.
        """
        turn = self._turns.setdefault(asker, _Turn(self._each))
        turn.users += 1
        try:
            async with asyncio.timeout(self._seconds) as limit:
                await turn.free.acquire()
                future = self._pool.submit(copy_context().run, function, *args)
                turn.users += 1
                future.add_done_callback(self._ender(asker, turn))
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            if not limit.expired():  # the function has raised it
                raise
            title = "The program is busy"
            raise RefusedError(503, title, "It has not answered in time. Ask again.") from error
        finally:
            self._left(asker, turn)

    def _ender(self, asker: str, turn: _Turn) -> Callable[[Future[Any]], None]:
        """Called on any thread when a function has ended, or has been cancelled before it began."""
        loop = asyncio.get_running_loop()

        def end() -> None:
            turn.free.release()
            self._left(asker, turn)

        def ended(_: Future[Any]) -> None:
            with suppress(RuntimeError):  # the loop has ended, and the turns with it
                loop.call_soon_threadsafe(end)

        return ended

    def _left(self, asker: str, turn: _Turn) -> None:
        turn.users -= 1
        if not turn.users and self._turns.get(asker) is turn:
            del self._turns[asker]


class _Turn:
    """The threads of one asker. ``users`` are its requests and its functions that run."""

    def __init__(self, each: int) -> None:
        self.free = asyncio.Semaphore(each)
        self.users = 0
