"""Serves the page of ``cloaca ui`` until a signal comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from cloaca_core.errors import ConfigError
from cloaca_tools.ui.application import application
from cloaca_tools.ui.guard.entrance import PARAMETER, Entrance
from cloaca_tools.ui.mounting import LOCAL
from cloaca_tools.ui.templating import compiling
from cloaca_tools.ui.visitors import Visitor

if TYPE_CHECKING:
    from starlette.requests import Request

    from cloaca_core.client.client import Client

LOOPBACK: Final = "127.0.0.1"
_GRACE: Final = 1
"""Seconds in which answers may end after a signal."""


def serve(
    client: Client, *, port: int, name: str, read_only: bool, opened: Callable[[str], None]
) -> None:
    """Serve the page on loopback to the visitor of this name, until SIGINT or SIGTERM; the client
    is closed then. ``opened`` is called with its one-time address when it answers. ``port`` 0 takes
    a free one.
    """
    entrance = Entrance(Visitor("view" if read_only else "steer", name))
    page = application(
        client,
        auth=entrance.auth,
        hosts=LOCAL,
        read_only=read_only,
        forwarded_prefix=False,
        entrance=entrance,
    )
    compiling()
    app = Starlette(routes=[Mount(entrance.path, page), Route("/{path:path}", _elsewhere)])
    config = uvicorn.Config(
        app, log_level="warning", lifespan="off", timeout_graceful_shutdown=_GRACE
    )
    # Ctrl-C is how it ends: uvicorn ends its answers, and raises the signal again.
    with closing(_bound(port)) as listener, suppress(KeyboardInterrupt):
        address = f"http://{LOOPBACK}:{listener.getsockname()[1]}{entrance.path}/?{PARAMETER}={entrance.token}"
        _Server(config, lambda: opened(address), client.shutdown).run(sockets=[listener])


def _elsewhere(_: Request) -> Response:
    text = "The page is at the address that cloaca ui has printed.\n"
    return PlainTextResponse(text, 404)


class _Server(uvicorn.Server):
    """A server that says when it answers. At its end it first closes the client, which ends the
    streams of events: they would not end by themselves.
    """

    def __init__(
        self, config: uvicorn.Config, opened: Callable[[], None], close: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._opened = opened
        self._close = close

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._opened()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.to_thread(self._close)
        await super().shutdown(sockets)


def _bound(port: int) -> socket.socket:
    # Of this protocol asyncio sends without delay.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"port {port} cannot be had: {error.strerror}") from error
    return listener
