"""Tells an open page that something has changed, by server-sent events.

An event says no more than that. The page asks for itself anew, which keeps one way to write it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from cloaca_core.errors import CloacaError
from cloaca_core.ui.asking import Address, Ask

_CHANGED: Final = "event: changed\nid: {}\ndata: \n\n"


async def live(ask: Ask) -> Response:
    """The stream of events of one page."""
    missed = "last-event-id" in ask.request.headers
    return StreamingResponse(
        _events(ask, missed=missed),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


async def _events(ask: Ask, *, missed: bool) -> AsyncIterator[str]:
    """Events from now on, and one at once for a page that was away meanwhile."""
    yield "retry: 1000\n\n"
    number = 0
    if missed:
        yield _CHANGED.format(number)
    try:
        async with ask.desk.observer.notices() as notices:
            async for _ in notices:
                number += 1
                yield _CHANGED.format(number)
    except CloacaError:
        return  # the program shuts down; the page asks again


ROUTES: Final[tuple[Address, ...]] = (("GET", "/live", live),)
