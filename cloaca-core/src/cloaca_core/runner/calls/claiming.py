"""Calls about a runner itself: how it is, and whether it claims runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloaca_core.runner.calls.call import Call, unchanged

if TYPE_CHECKING:
    from cloaca_core.runner.host import EngineHost


class ClaimingCalls:
    """Makes the calls of one runner. Any thread may ask."""

    def __init__(self, host: EngineHost) -> None:
        self._host = host

    def health(self) -> Call[dict[str, Any]]:
        """The state of the runner, for people and probes."""
        return Call(lambda: self._host.send(lambda engine: engine.health()), unchanged)

    def start(self) -> Call[None]:
        """Claim runs."""
        return Call(lambda: self._host.send(lambda engine: engine.resume()), unchanged)

    def stop(self) -> Call[None]:
        """Claim no further runs."""
        return Call(lambda: self._host.send(lambda engine: engine.pause()), unchanged)
