"""Questions before a limit is changed: other settings, or those of the code, and what would follow.

The first form asks what would follow, the second one says so and changes the limit. Neither needs a
script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.errors import CloacaError, LimitNotFoundError, RunnerClosedError, StoreError
from cloaca_core.features.limits.operations import ShowLimit
from cloaca_tools.ui.forms.limit_form import change_of, settings_told, with_given
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.views.limits import effect, settings_after

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from cloaca_core.features.limits.looks.views import LimitInfo


async def change_form(visit: Visit) -> Response:
    """Other settings, as they are in the address, and what would follow."""
    visit.must_act()
    return await change_page(visit, visit.request.query_params)


async def clear_form(visit: Visit) -> Response:
    """What would follow if the settings of the code counted again."""
    visit.must_act()
    limit = await known(visit, visit.query("name"))
    return await visit.page(
        "limits/clear.html",
        limit=limit,
        effects=effect(limit, limit.definition),
        told=settings_told(limit.definition),
        still=True,
    )


async def change_page(visit: Visit, asked: Mapping[str, str], error: str = "") -> Response:
    """The form with these settings, and what would follow or why that cannot be."""
    limit = await known(visit, asked.get("name", ""))
    given = with_given(limit, asked)
    effects: list[str] = []
    command: list[str] = []
    if not error:
        try:
            change, command = change_of(limit, given)
            if change is not None:
                effects = effect(limit, settings_after(limit, change.changes()))
        except (LimitNotFoundError, RunnerClosedError, StoreError):
            raise
        except (CloacaError, ValueError) as refused:
            error = str(refused)
    return await visit.page(
        "limits/change.html",
        422 if error else 200,
        limit=limit,
        given=given,
        error=error[:1].upper() + error[1:],
        effects=effects,
        command=command,
        still=True,
    )


async def known(visit: Visit, name: str) -> LimitInfo:
    """The limit of this name."""
    return (await visit.site.do(ShowLimit(name, None, 1))).limit


ROUTES: Final[tuple[Address, ...]] = (
    ("GET", "/limit/change", change_form),
    ("GET", "/limit/clear", clear_form),
)
