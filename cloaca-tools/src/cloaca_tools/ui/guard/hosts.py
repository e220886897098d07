"""Refuses requests for another host name than the page's own, as DNS rebinding makes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocketClose

from cloaca_core.errors import ConfigError, ConfigTypeError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


_HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/?#@\s]+)(:[0-9]{1,5})?", re.IGNORECASE)
"""A name or an address, perhaps with a port."""


class Hosts:
    """Lets requests through whose Host header names one of ``hosts``, at any port. Closes web
    sockets, of which the page has none: a browser opens them for any site.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        if scope["type"] == "http" and (name := _host(scope)) not in self._hosts:
            text = f"The page is not asked for by this name: add {name!r} to hosts=.\n"
            answer = PlainTextResponse(text, 400)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def checked_hosts(hosts: Iterable[str]) -> frozenset[str]:
    """The names as they are compared: in lower case, without ports."""
    if isinstance(hosts, str) or not all(isinstance(each, str) for each in hosts):
        raise ConfigTypeError(f"hosts are names of hosts, as in ('localhost',), not {hosts!r}")
    names = frozenset([_name(each) for each in hosts])
    if "*" in names or "" in names:
        raise ConfigError("hosts= names each host by which the page is reached; '*' is none")
    return names


def _host(scope: Scope) -> str:
    given = Headers(scope=scope).getlist("host")
    return _name(given[0]) if len(given) == 1 and _HOST.fullmatch(given[0].strip()) else ""


def _name(host: str) -> str:
    """The name without a port; an IPv6 address keeps its brackets."""
    host = host.strip().lower()
    end = host.find("]")
    return host[: end + 1] if host.startswith("[") and end > 0 else host.partition(":")[0]
