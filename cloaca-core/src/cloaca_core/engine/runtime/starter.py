"""Starts threads and loops, and retries when the system has no room for them.

Such a shortage passes. Work stays queued meanwhile, and callers that queue it get no error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.logs import SafeLogger
from cloaca_core.values.times.backoff import Backoff

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

log = SafeLogger("cloaca.engine")

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
"""Seconds before another try; the pause doubles from failure to failure."""


class Starter:
    """Belongs to ``loop``, on which ``again`` is called when another try is due."""

    def __init__(self, loop: asyncio.AbstractEventLoop, again: Callable[[], None]) -> None:
        self._loop = loop
        self._again = again
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._timer: asyncio.TimerHandle | None = None

    def try_start(self, start: Callable[[], None]) -> bool:
        """Call ``start``. Returns whether it succeeded. It is not called during a pause. When the
        system has no room, that is logged and a pause begins.
        """
        if self._timer is not None:
            return False
        try:
            start()
        except (RuntimeError, OSError, MemoryError) as error:  # Thread.start raises RuntimeError
            log.warning("no room to run bodies, again in %.2f s: %r", self._backoff.pause, error)
            self._timer = self._loop.call_later(self._backoff.next(), self._retry)
            return False
        self._backoff.reset()
        return True

    def close(self) -> None:
        """Try no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _retry(self) -> None:
        self._timer = None
        self._again()
