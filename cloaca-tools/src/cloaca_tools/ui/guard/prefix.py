"""Finds the path of the mount, which servers, frameworks and proxies tell in different ways."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+/?")
_HEADER: Final = "x-forwarded-prefix"


class Prefix:
    """Makes ``root_path`` the path of the mount as a browser knows it, and ``path`` begin with it.

    With ``forwarded`` a proxy's X-Forwarded-Prefix stands before both. Only a proxy may be able to
    send that header.
    """

    def __init__(self, app: ASGIApp, *, forwarded: bool) -> None:
        self._app = app
        self._forwarded = forwarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            root = scope.get("root_path", "").rstrip("/")
            path = _below(scope["path"], root, scope.get("app_root_path", ""))
            before = _forwarded(scope) if self._forwarded else ""
            scope = {**scope, "root_path": before + root, "path": before + root + path}
        await self._app(scope, receive, send)


def _below(path: str, root: str, outer: str) -> str:
    """The path below the mount. Some servers leave ``outer``, their own prefix, out of the path,
    and a framework that mounts an application within still adds it to the root.
    """
    for prefix in (root, root.removeprefix(outer.rstrip("/"))):
        if path == prefix or path.startswith(f"{prefix}/"):
            return path.removeprefix(prefix) or "/"
    return path


def _forwarded(scope: Scope) -> str:
    given = Headers(scope=scope).get(_HEADER, "")
    return given.rstrip("/") if _PATH.fullmatch(given) and ".." not in given else ""
