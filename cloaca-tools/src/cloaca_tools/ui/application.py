"""The page as an ASGI application: guards around pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Mount, Route

from cloaca_core.errors import CloacaError
from cloaca_tools.ui.guard.bodies import Bodies
from cloaca_tools.ui.guard.forms import SameOrigin
from cloaca_tools.ui.guard.headers import SafeHeaders
from cloaca_tools.ui.guard.hosts import Hosts, checked_hosts
from cloaca_tools.ui.guard.prefix import Prefix
from cloaca_tools.ui.guard.visitors import Visitors
from cloaca_tools.ui.refusals import RefusedError, late, refusal_of
from cloaca_tools.ui.routes import ROUTES
from cloaca_tools.ui.site.site import Site, site_of
from cloaca_tools.ui.static_files import KeptFiles
from cloaca_tools.ui.visit import Handler, Visit, visit_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from cloaca_core.client.async_client import AsyncClient
    from cloaca_core.client.client import Client
    from cloaca_tools.ui.guard.entrance import Entrance
    from cloaca_tools.ui.visitors import Auth

READING: Final = 60.0
"""Seconds that a visitor waits for a page or a file."""
ACTING: Final = 15.0
"""Seconds that a visitor waits for an act."""

Application: TypeAlias = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]
"""An ASGI application."""


def application(
    client: Client | AsyncClient,
    *,
    auth: Auth,
    hosts: Iterable[str],
    read_only: bool,
    forwarded_prefix: bool,
    entrance: Entrance | None = None,
) -> Application:
    """The page of a client; see ``cloaca.ui``. ``cloaca ui`` gives an ``entrance``."""
    site = site_of(client, read_only=read_only)
    guards = _guards(auth, checked_hosts(hosts), entrance, forwarded=forwarded_prefix)
    # The outermost: the answer to an error of `auth` gets the headers too.
    return SafeHeaders(Starlette(routes=_routes(site), middleware=guards))


def _guards(
    auth: Auth, hosts: frozenset[str], entrance: Entrance | None, *, forwarded: bool
) -> Sequence[Middleware]:
    """The guards from the outside in, below the headers."""
    return [
        Middleware(Hosts, hosts),
        Middleware(Prefix, forwarded=forwarded),
        *([] if entrance is None else [Middleware(entrance.around)]),
        Middleware(SameOrigin),
        Middleware(Visitors, auth),
        Middleware(Bodies),
        Middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5),
    ]


def _routes(site: Site) -> list[BaseRoute]:
    pages: list[BaseRoute] = [
        Route(path, partial(_answered, handler=handler, site=site), methods=[method])
        for method, path, handler in (*ROUTES, ("GET", "/{path:path}", _nothing))
    ]
    return [Mount("/static", KeptFiles()), *pages]


async def _answered(request: Request, handler: Handler, site: Site) -> Response:
    """The answer of a page, or the page that says why there is none."""
    visit = await visit_of(request, site)
    patience = READING if request.method == "GET" else ACTING
    try:
        async with asyncio.timeout(patience) as limit:
            return await handler(visit)
    except TimeoutError:
        if not limit.expired():
            raise
        refusal = late(patience, acts=request.method != "GET")
    except CloacaError as error:
        refusal = refusal_of(error)
    except RefusedError as error:
        refusal = error
    # A refusal goes away by itself only if the program or the database comes back: no change tells.
    gone, visit = refusal.status >= 500, replace(visit, mark="")
    facts = {"refusal": refusal, "still": not gone, "gone": gone}
    return await visit.page("refusal.html", refusal.status, **facts)


async def _nothing(visit: Visit) -> Response:
    """Still: a path such as ``//other.example`` is no address to ask for anew."""
    refusal = RefusedError(404, "There is no such page", "Nothing stands at this address.", "")
    return await visit.page("refusal.html", refusal.status, refusal=refusal, still=True)
