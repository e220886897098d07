"""The tenants of the database, where it has any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.errors import StoreError
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from starlette.responses import Response


async def tenants(visit: Visit) -> Response:
    """The page of tenants; where it cannot list them it says how to."""
    found, error = None, ""
    try:
        found = await visit.on_thread(visit.site.tenants.list)
    except StoreError as refused:
        error = str(refused)
    return await visit.page("tenants.html", found=found, error=error)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/tenants", tenants),)
