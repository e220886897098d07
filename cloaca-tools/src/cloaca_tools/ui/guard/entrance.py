"""The one-time address of ``cloaca ui``: the browser that opens it first has the page."""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from cloaca_tools.ui.visitors import UiRequest, Visitor

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PARAMETER: Final = "token"
_COOKIE: Final = "cloaca_visitor"


class Entrance:
    """Gives the cookie of a session to the first request with the token, and knows visitors by it.
    The page is to be mounted at ``path``.

    The token stands in an address, which browsers keep and terminals show; so it counts once.
    """

    def __init__(self, visitor: Visitor) -> None:
        self.token: str = secrets.token_urlsafe(32)
        self._visitor = visitor
        self._session = secrets.token_urlsafe(32)
        # Browsers send cookies to all ports of a host, but only below their path.
        self.path: str = f"/{secrets.token_urlsafe(16)}"
        self._is_used = False

    def auth(self, request: UiRequest) -> Visitor | None:
        """The visitor, if the request has the cookie of the session."""
        given = request.cookies.get(_COOKIE, "")
        return self._visitor if _same(given, self._session) else None

    def around(self, app: ASGIApp) -> ASGIApp:
        """An application that answers the address with the token, and passes on all others."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope) if scope["type"] == "http" else None
            if request is None or PARAMETER not in request.query_params:
                await app(scope, receive, send)
                return
            await self._entered(request)(scope, receive, send)

        return answer

    def _entered(self, request: Request) -> Response:
        if self.auth(request) is None:
            if self._is_used or not _same(request.query_params[PARAMETER], self.token):
                text = "This address has been used. Start cloaca ui again for another one.\n"
                return PlainTextResponse(text, 401)
            self._is_used = True
        below = f"{request.scope.get('root_path', '')}/"
        answer = RedirectResponse(below, 303)
        answer.set_cookie(_COOKIE, self._session, path=below, httponly=True, samesite="strict")
        return answer


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())
