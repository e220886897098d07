"""Refuses acts that do not come from a form of this page.

Three checks, each enough by itself in a browser that keeps the rules: the browser says that the
request comes from this origin, the cookie of forms is of SameSite=Strict, and a field of the form
repeats its value.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse

from cloaca_tools.ui.refusals import RefusedError

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

FIELD: Final = "form_token"
"""The field of a form that repeats the cookie."""
COOKIE: Final = "cloaca_form"
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_LONG: Final = 200
_KIND: Final = "application/x-www-form-urlencoded"
FIELDS: Final = 2_000
"""Fields of a form at most."""


class SameOrigin:
    """Lets other requests than reading ones through only if they come from this origin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.requests import Request

        if scope["type"] == "http" and not comes_from_here(Request(scope)):
            answer = PlainTextResponse("Acts come from this page only.\n", 403)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def comes_from_here(request: Request) -> bool:
    """Whether a browser says that a request comes from this origin. Reading may come from anywhere.

    An Origin is compared by host and port: a proxy may have ended TLS.
    """
    if request.method in _SAFE:
        return True
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is None and origin is None:
        return False
    if site is not None and site != "same-origin":
        return False
    return origin is None or _place_of(origin) == request.headers.get("host")


def _place_of(origin: str) -> str | None:
    """Host and port of an origin; None for one that cannot be read."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def token_of(request: Request) -> str:
    """The value that forms for this browser repeat: its cookie's, else a new one."""
    given = request.cookies.get(COOKIE, "")
    return given if 20 <= len(given) <= _LONG else secrets.token_urlsafe(32)


def keep_token(request: Request, response: Response, token: str) -> None:
    """Set the cookie of forms, if the browser has another one or none."""
    if request.cookies.get(COOKIE) != token:
        response.set_cookie(
            COOKIE,
            token,
            path=request.scope.get("root_path") or "/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )


def signature_of(request: Request, text: str) -> str:
    """A signature that only an answer to this browser can have."""
    return hmac.digest(token_of(request).encode(), text.encode(), "sha256").hex()


async def checked_form(request: Request) -> FormData:
    """The fields of a form of this page. ``RefusedError`` for a form without the token, with
    another browser's token, with files, which no page has, or with texts that no database keeps.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != _KIND:
        raise RefusedError(415, "This is no form of the page")
    form = await request.form(max_fields=FIELDS)
    given, kept = form.get(FIELD), request.cookies.get(COOKIE)
    if not _is_same(given, kept):
        raise RefusedError(
            403, "This form is too old", "Go back, load the page again, and send the form anew."
        )
    if any("\0" in text for _, text in form.multi_items() if isinstance(text, str)):
        raise RefusedError(422, "This form cannot be read", "A text in it has a NUL character.")
    return form


def _is_same(given: object, kept: str | None) -> bool:
    if not isinstance(given, str) or not kept:
        return False
    return hmac.compare_digest(given.encode(), kept.encode())
