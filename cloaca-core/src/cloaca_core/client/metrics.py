"""Metrics of a runner or a client, as text for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.calls.call import Call
from cloaca_core.features.telemetry.exposition import CONTENT_TYPE as CONTENT_TYPE, text_of

if TYPE_CHECKING:
    from cloaca_core.assembly.host import EngineHost
    from cloaca_core.client.async_client import AsyncClient
    from cloaca_core.client.client import Client


def render(runner: Client) -> str:
    """The metrics of a runner, or of a client, in the text format of Prometheus.

    Runs and attempts are counted from the first call on: call it once when the program starts. The
    numbers of the database are read at each call, by one statement and one for each limit. Times
    are in seconds. Needs the extra ``metrics``: without it ``MissingExtraError``, an ImportError.
    Any thread may call it.
    """
    return _rendered(runner._host).wait()


async def render_async(runner: AsyncClient) -> str:
    """As ``render``, for an ``AsyncRunner`` or ``AsyncClient``."""
    return await _rendered(runner._host)


def _rendered(host: EngineHost) -> Call[str]:
    return Call(lambda: host.send(lambda engine: engine.meter.sample()), text_of)
