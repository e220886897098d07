"""Styles, scripts and pictures of the page, which a browser keeps for ever: their address changes
with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.staticfiles import StaticFiles

from cloaca_tools.ui.templating import STATIC

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import Scope


class KeptFiles(StaticFiles):
    """Serves ``/VERSION/NAME`` for any version."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    def get_path(self, scope: Scope) -> str:
        """The name of a file, without the version before it."""
        return super().get_path(scope).partition("/")[2]

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, to be kept."""
        answer = await super().get_response(path, scope)
        answer.headers["cache-control"] = "public, max-age=31536000, immutable"
        return answer
