"""Takes the path of the mount from X-Forwarded-Prefix, for a proxy that strips it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+/?")
_HEADER: Final = "x-forwarded-prefix"


class ForwardedPrefix:
    """Puts the prefix before the addresses of links. Only a proxy may be able to send the header:
    a program says so by ``forwarded_prefix=True``.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = Headers(scope=scope).get(_HEADER, "")
            if _PATH.fullmatch(given):
                prefix = given.rstrip("/")
                root = f"{prefix}{scope.get('root_path', '').rstrip('/')}"
                scope = {**scope, "root_path": root, "path": f"{prefix}{scope['path']}"}
        await self._app(scope, receive, send)
