"""Bounds what a request may send."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LIMIT: Final = 1_048_576
"""Bytes of a request's body at most."""
_DIGITS: Final = 20
"""Digits of a length that is read; Python does not read one of thousands."""


class _TooLargeError(Exception):
    """A body has grown beyond the limit while it was read."""


class Bodies:
    """Answers 413 to a body of more than ``LIMIT`` bytes, whether its length is given or not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken = 0

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > LIMIT:
                raise _TooLargeError
            return message

        too_large = PlainTextResponse(f"A request has at most {LIMIT:,} bytes.\n", 413)
        if _length(scope) > LIMIT:
            await too_large(scope, receive, send)
            return
        try:
            await self._app(scope, bounded, send)
        except _TooLargeError:
            await too_large(scope, receive, send)


def _length(scope: Scope) -> int:
    given = Headers(scope=scope).get("content-length", "")
    if not (given.isascii() and given.isdigit()):
        return 0
    return int(given) if len(given) < _DIGITS else LIMIT + 1
