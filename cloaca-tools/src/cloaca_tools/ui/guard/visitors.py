"""Asks the program who a visitor is, and answers 401 where it is none."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse

from cloaca_core.errors import ConfigTypeError
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.threads import AUTH, SECONDS, Threads
from cloaca_tools.ui.visitors import Auth, Visitor

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

VISITOR: Final = "cloaca.visitor"
"""The key of the scope under which pages find the visitor."""


class Visitors:
    """Lets requests through for which ``auth`` returns a visitor."""

    def __init__(self, app: ASGIApp, auth: Auth) -> None:
        self._app = app
        self._auth = auth
        self._threads = Threads("auth", *AUTH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            visitor = await self._visitor(Request(scope))
        except RefusedError as refusal:
            answer = PlainTextResponse(f"{refusal.title}. {refusal.help}\n", refusal.status)
            await answer(scope, receive, send)
            return
        if visitor is None:
            answer = PlainTextResponse("Sign in first.\n", 401)
            await answer(scope, receive, send)
            return
        await self._app({**scope, VISITOR: visitor}, receive, send)

    async def _visitor(self, request: Request) -> Visitor | None:
        # A function may ask a database; that must not hold up other requests.
        address = request.client.host if request.client else ""
        found: object = await self._threads.run(address, self._auth, request)
        if inspect.isawaitable(found):
            found = await _in_time(found)
        if found is not None and not isinstance(found, Visitor):
            kind = type(found).__name__
            raise ConfigTypeError(f"auth returns a cloaca.Visitor or None, not {kind}")
        return found


async def _in_time(found: Awaitable[object]) -> object:
    try:
        async with asyncio.timeout(SECONDS) as limit:
            return await found
    except TimeoutError as error:
        if not limit.expired():  # the function has raised it
            raise
        raise RefusedError(503, "The program is busy", "Its auth has not answered.") from error
