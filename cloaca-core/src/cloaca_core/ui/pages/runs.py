"""Runs that a filter selects. The filter is the address."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from cloaca_core.ui.asking import Address, Ask

PAGE: Final = 50


async def runs(ask: Ask) -> Response:
    """A page of runs, newest first."""
    q, before = ask.query("q"), ask.query("before") or None
    terms = [q] if q.strip() else []
    page = await ask.desk.observer.runs(*terms, limit=PAGE, before=before)
    return await ask.page("runs.html", q=q, page=page)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/runs", runs),)
