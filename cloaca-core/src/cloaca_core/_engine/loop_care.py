"""Keeps watch over an event loop on a thread of ours, and puts it away when it has broken.

A loop breaks when its descriptors are closed (a task body may close all that it finds) or when
something on it raises ``SystemExit``. Decides nothing about what waits for the loop.
"""

from __future__ import annotations

import asyncio
import errno
import threading
from typing import Any, Final, NoReturn

from cloaca_core.logs import SafeLogger

log = SafeLogger("cloaca.engine")

LOOKS_UP: Final = 1.0
"""Seconds after which a loop looks at its descriptors, whether or not anything wakes it."""


class LookUp:
    """Wakes a loop now and then, from ``start`` on or as a context manager. One that waits for
    descriptors that were closed is woken by nothing else; waiting again, it raises.
    """

    __slots__ = ("_loop", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, on the loop's thread."""
        self._timer = self._loop.call_later(LOOKS_UP, self.start)

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()


def tell_of_callback(_: object, context: dict[str, Any]) -> None:
    """Log that a callback of a loop raised. asyncio would say so on stderr."""
    message = context.get("message", "a callback failed")
    log.error("event loop: %s", message, exc_info=context.get("exception"))


def tell_of_closed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log that a loop of user code found its own descriptors closed; leave all else to asyncio."""
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno == errno.EBADF:
        tell_of_callback(loop, context)
    else:
        loop.default_exception_handler(context)


def has_closed(loop: asyncio.AbstractEventLoop) -> bool:
    """Close a loop that has ended; false when a descriptor of it was closed by others."""
    try:
        loop.close()
    except OSError:
        return False
    return True


def stay_with(loop: asyncio.AbstractEventLoop) -> NoReturn:
    """Sleep for ever, as the last act of a daemon thread whose loop has broken.

    So the loop, its tasks and all that they hold are never thrown away. That would close
    descriptors which may be other files by now, and Python would complain on stderr.
    """
    threading.current_thread().name = "cloaca-broken"
    tasks = asyncio.all_tasks(loop)
    while tasks is not None:
        threading.Event().wait()
    raise AssertionError("an endless sleep has ended")


def reason(thread: str, error: BaseException) -> str:
    """Why a runner has broken down, for a person."""
    told = f"the runner has broken down: its {thread} ended with {error!r}"
    if isinstance(error, OSError):
        told += "; did a task body close files or sockets that are not its own?"
    return told
