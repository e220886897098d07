"""Passes things from any thread to a loop, and wakes the loop once for many of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

THINGS_PER_PASS: Final = 500
"""Received in one pass of the loop; other callbacks, such as heartbeats, run in between."""


class Mailbox(Generic[T]):
    """``put`` from any thread; ``receive`` is called for each thing, in order, on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Callable[[T], None]) -> None:
        self._loop = loop
        self._receive = receive
        self._things: deque[T] = deque()
        self._signalled = False

    def put(self, thing: T) -> None:
        """Add a thing. It is dropped if the loop has been closed."""
        self._things.append(thing)
        if not self._signalled:
            self._signalled = True
            try:
                self._loop.call_soon_threadsafe(self._empty)
            except RuntimeError:  # the loop is closed: nothing is received any more
                self._signalled = False
                self._things.clear()

    def _empty(self) -> None:
        self._signalled = False
        try:
            for _ in range(min(len(self._things), THINGS_PER_PASS)):
                self._receive(self._things.popleft())
        finally:
            if self._things:  # too many for one pass, or one that could not be received
                self._loop.call_soon(self._empty)
