"""``cloaca.ui``: the page as an ASGI application for a program of the user's own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import ConfigTypeError, missing_extra
from cloaca_core.values.arguments import refuse_other_types

if TYPE_CHECKING:
    from cloaca_core.client.async_client import AsyncClient
    from cloaca_core.client.client import Client
    from cloaca_tools.ui.application import Application
    from cloaca_tools.ui.visitors import Auth

LOCAL: Final = ("localhost", "127.0.0.1", "[::1]")
"""The names of this machine for itself."""


def ui(
    client: Client | AsyncClient,
    *,
    auth: Auth,
    hosts: Iterable[str] = LOCAL,
    read_only: bool = False,
    forwarded_prefix: bool = False,
) -> Application:
    """Make the web page of a database, to be mounted: ``app.mount("/cloaca", cloaca.ui(…))``.

    ``client`` is open, or will be when requests come; it stays the program's, and may be a runner.
    A blocking one does not block the server's loop.

    ``auth`` gets each request and returns a ``Visitor``, or None for 401; it may be a coroutine
    function. A visitor with the role ``view`` looks only. ``cloaca.ui_without_auth`` lets everybody
    in.

    ``hosts`` are the names by which browsers may reach the page; another one is answered 400.
    ``read_only`` refuses all acts. ``forwarded_prefix`` takes the path of the mount from
    X-Forwarded-Prefix, which a proxy must then set or remove.

    Raises ``MissingExtraError`` without the extra ``ui``, ``ConfigTypeError`` (a TypeError) and
    ``ConfigError`` (a ValueError) for bad arguments.
    """
    if not callable(auth):
        raise ConfigTypeError("auth must be a function, or cloaca.ui_without_auth")
    refuse_other_types("read_only", read_only, bool, "a bool")
    refuse_other_types("forwarded_prefix", forwarded_prefix, bool, "a bool")
    try:
        from cloaca_tools.ui.application import application
    except ImportError as error:
        raise missing_extra("cloaca.ui", "ui", error.name or "starlette") from error
    return application(
        client,
        auth=auth,
        hosts=hosts,
        read_only=read_only,
        forwarded_prefix=forwarded_prefix,
    )
