"""Tells an open page that something has changed, by server-sent events.

An event says no more than that. The page asks for itself anew, which keeps one way to write it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from cloaca_core.errors import CloacaError
from cloaca_core.ui.asking import Address, Ask
from cloaca_core.ui.guard.visitors import AGAIN
from cloaca_core.ui.refusals import RefusedError

_CHANGED: Final = "event: changed\ndata: \n\n"
_FIRST: Final = f"retry: 1000\n{_CHANGED}"


async def live(ask: Ask) -> Response:
    """The stream of events of one page; 429 while many others are open, and 503 while the database
    does not answer, so that the page knows.
    """
    if ask.desk.streams.are_many:
        raise RefusedError(
            429, "Many pages are open", "This one shows changes when it is reloaded."
        )
    await ask.desk.observer.waiting()
    return StreamingResponse(
        _events(ask), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
    )


async def _events(ask: Ask) -> AsyncIterator[str]:
    """An event at once, for what has changed since the page was written, and then as it changes,
    as long as the visitor is one.
    """
    again = ask.request.scope[AGAIN]
    try:
        with ask.desk.streams.one():
            async with ask.desk.observer.notices() as notices:
                yield _FIRST
                async for _ in notices:
                    if await again() is None:
                        return
                    yield _CHANGED
    except CloacaError:
        return  # the program shuts down; the page asks again


ROUTES: Final[tuple[Address, ...]] = (("GET", "/live", live),)
