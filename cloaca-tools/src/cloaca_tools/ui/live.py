"""Tells an open page that something has changed, by server-sent events.

An event says no more than that. The page asks for itself anew, which keeps one way to write it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from starlette.responses import Response, StreamingResponse

from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.site.signals import SIGNALS
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from cloaca_tools.ui.site.changes import Changes

LASTS: Final = 10.0
"""Seconds of a stream; then the page opens another one at once. So every page notices within them
that its visitor has signed out or that the database is gone, and a server that ends without a
signal waits no longer.
"""
_CHANGED: Final = "event: changed\ndata: \n"


async def live(visit: Visit) -> Response:
    """The stream of events of one page; 429 while many others are open, and 503 while the server
    ends or the database does not answer, so that the page knows.

    ``since`` is the mark of the page; the header Last-Event-ID has the mark of the stream before.
    """
    site = visit.site
    if site.changes.is_leaving:
        raise RefusedError(503, "The program is shutting down")
    await site.observer.waiting()
    seen = visit.request.headers.get("last-event-id") or visit.query("since")
    held = ExitStack()
    held.enter_context(site.streams.one(visit.visitor.name))
    held.enter_context(SIGNALS.telling(site.changes.leave))
    return _Stream(_events(site.changes, seen), held)


class _Stream(StreamingResponse):
    """Holds what its stream needs, however that ends."""

    def __init__(self, events: AsyncIterator[str], held: ExitStack) -> None:
        headers = {"x-accel-buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._held:
            await super().__call__(scope, receive, send)


async def _events(changes: Changes, seen: str) -> AsyncIterator[str]:
    """The mark of the latest change, an event at once if the page is older, and then one for each
    change.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + LASTS
    mark: str | None = await changes.mark()
    yield f"id: {mark}\n{'' if mark == seen else _CHANGED}\n"
    while mark and (mark := await changes.after(mark, end - clock())):
        yield f"id: {mark}\n{_CHANGED}\n"


ROUTES: Final[tuple[Address, ...]] = (("GET", "/live", live),)
