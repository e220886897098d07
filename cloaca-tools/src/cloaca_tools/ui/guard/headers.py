"""Headers that bound what a browser does with an answer: no inline script, no frame, no copy."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

NONCE: Final = "cloaca.nonce"
"""The key of the scope under which templates find the nonce of an answer."""

_PARTS: Final = ("text/css", "text/javascript")
"""What a page is made of. Shown by itself it is a text, which needs nothing."""
_NOTHING: Final = "default-src 'none'"


class SafeHeaders:
    """Adds the headers to each answer. Scripts and attributes of htmx count only with the nonce,
    which every answer has anew.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), nonce)
            await send(message)

        await self._app({**scope, NONCE: nonce}, receive, with_headers)


def policy(nonce: str) -> str:
    """The Content-Security-Policy of an answer."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types htmx"
    )


def _add(headers: MutableHeaders, nonce: str) -> None:
    is_part = headers.get("content-type", "").startswith(_PARTS)
    headers["content-security-policy"] = _NOTHING if is_part else policy(nonce)
    headers["x-content-type-options"] = "nosniff"
    headers["x-frame-options"] = "DENY"
    headers["referrer-policy"] = "same-origin"
    headers["cross-origin-opener-policy"] = "same-origin"
    headers["cross-origin-resource-policy"] = "same-origin"
    headers.setdefault("cache-control", "no-store")
