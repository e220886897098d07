"""``Worker``: a runner that another program watches, as the command ``worker`` is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cloaca_core.client.default_runner import DefaultRunner
from cloaca_core.operations.claiming import Health


class Worker(DefaultRunner):
    """A ``DefaultRunner`` that says when it is over, and how it is within a time."""

    def when_over(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once it has shut down or broken down, on any thread."""
        never = self._host.send(lambda _: asyncio.Event().wait())
        never.add_done_callback(lambda _: callback())

    def when_asked_to_leave(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` when a shutdown has begun that another program asked for; on a thread
        that it must not hold up.
        """
        self._host.leaving = callback

    def health_within(self, seconds: float) -> dict[str, Any]:
        """The same as ``health()``; ``PipelineTimeoutError`` if it does not come so soon."""
        return self._do(Health(seconds))

    def hurry(self) -> None:
        """Let its shutdown, now or later, wait for no body."""
        self._host.hurry()
