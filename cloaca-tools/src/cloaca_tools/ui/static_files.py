"""Styles, scripts and pictures of the page, which a browser keeps for ever: their address changes
with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from gzip import compress
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from cloaca_tools.ui.templating import STATIC

if TYPE_CHECKING:
    from starlette.types import Scope

_EXTENSIONS: Final = ("vendor/htmx.js", "vendor/hx-csp.js", "vendor/hx-sse.js")
TOGETHER: Final[Mapping[str, tuple[str, ...]]] = {
    "frame.css": ("tokens.css", "page.css"),
    "frame.js": (*_EXTENSIONS, "live.js", "page.js", "ask.js"),
}
"""What every page has is one file of each kind: a first visit has fewer answers and bytes."""
_TYPES: Final = {"css": "text/css", "js": "text/javascript"}


class KeptFiles(StaticFiles):
    """Serves ``/VERSION/NAME`` for any version."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    def get_path(self, scope: Scope) -> str:
        """The name of a file, without the version before it."""
        return super().get_path(scope).partition("/")[2]

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, to be kept."""
        if path in TOGETHER and scope["method"] in ("GET", "HEAD"):
            answer = _together(path, Headers(scope=scope).get("accept-encoding", ""))
        else:
            answer = await super().get_response(path, scope)
        answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer


def _together(name: str, accepted: str) -> Response:
    kind = _TYPES[name.rpartition(".")[2]]
    if "gzip" not in accepted:
        return Response(_text(name), media_type=kind)
    return Response(
        _compressed(name),
        media_type=kind,
        headers={"content-encoding": "gzip", "vary": "accept-encoding"},
    )


@cache
def _text(name: str) -> bytes:
    return b"\n".join([(STATIC / part).read_bytes() for part in TOGETHER[name]])


@cache
def _compressed(name: str) -> bytes:
    return compress(_text(name), mtime=0)
