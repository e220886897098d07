"""Watches an event loop on a thread of the engine, and keeps a broken loop from being freed.

A loop breaks when its descriptors are closed (a task body may close all that it finds) or when
something on it raises ``SystemExit``. This module decides nothing about callers that wait for the
loop.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from typing import Any, Final, NoReturn
from weakref import WeakKeyDictionary

from cloaca_core.logs import SafeLogger

log = SafeLogger("cloaca.engine")

WAKE_PERIOD_S: Final = 1.0
"""Seconds between two wake-ups of a loop in which it checks its descriptors, if nothing else wakes
it.
"""


def keep_waking(loop: asyncio.AbstractEventLoop) -> None:
    """Wake a loop regularly, until its end. Nothing else wakes a loop whose descriptors were closed
    while it waited; when it waits again, it raises.
    """
    loop.call_later(WAKE_PERIOD_S, keep_waking, loop)


class WakeTimer:
    """Wakes a user's loop in the same way while calls wait on it. Each call enters it as a context
    manager; all share one timer.

    The timer outlasts the last call by up to a period, so that short calls set no timer of their
    own. Nothing here refers to the loop: that would keep it alive.
    """

    __slots__ = ("_calls", "_is_set")

    def __init__(self) -> None:
        self._calls = 0
        self._is_set = False

    def __enter__(self) -> None:
        self._calls += 1
        if not self._is_set:
            self._is_set = True
            self._set(asyncio.get_running_loop())

    def __exit__(self, *_: object) -> None:
        self._calls -= 1

    def _set(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(WAKE_PERIOD_S, self._wake, loop)

    def _wake(self, loop: asyncio.AbstractEventLoop) -> None:
        self._is_set = self._calls > 0
        if self._is_set:
            self._set(loop)


_timers: WeakKeyDictionary[asyncio.AbstractEventLoop, WakeTimer] = WeakKeyDictionary()


def wake_timer() -> WakeTimer:
    """The timer of the running loop."""
    loop = asyncio.get_running_loop()
    timer = _timers.get(loop)
    if timer is None:
        timer = _timers[loop] = WakeTimer()
    return timer


def tell_of_callback(_: object, context: dict[str, Any]) -> None:
    """Log that a callback of a loop raised. asyncio would say so on stderr."""
    message = context.get("message", "a callback failed")
    log.error("event loop: %s", message, exc_info=context.get("exception"))


def tell_of_closed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log that a loop of user code found its own descriptors closed. Leave all other errors to
    asyncio.
    """
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno == errno.EBADF:
        tell_of_callback(loop, context)
    else:
        loop.default_exception_handler(context)


def has_closed(loop: asyncio.AbstractEventLoop) -> bool:
    """Close a loop that has ended. False when other code has closed a descriptor of it."""
    try:
        loop.close()
    except OSError:
        return False
    return True


def stay_with(loop: asyncio.AbstractEventLoop) -> NoReturn:
    """Sleep for ever, as the last act of a daemon thread whose loop has broken.

    So Python never frees the loop, its tasks and the objects that they hold. Freeing them would
    close descriptors that may be other files by now, and print warnings on stderr.
    """
    threading.current_thread().name = "cloaca-broken"
    _kept_alive.append((loop, asyncio.all_tasks(loop)))
    never = threading.Event()
    while True:
        never.wait()


_kept_alive: list[object] = []
"""Loops that have broken, with their tasks."""


def breakdown_reason(thread: str, error: BaseException) -> str:
    """The reason why a runner has broken down, for people."""
    told = f"the runner has broken down: its {thread} ended with {error!r}"
    if isinstance(error, OSError):
        told += "; did a task body close files or sockets that are not its own?"
    return told
