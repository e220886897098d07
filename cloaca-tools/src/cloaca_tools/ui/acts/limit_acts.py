"""Sets limits, and takes what was set away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.errors import CloacaError, LimitNotFoundError, RunnerClosedError, StoreError
from cloaca_core.features.limits.operations import ClearLimit
from cloaca_tools.ui.forms.form_texts import given_to, needed
from cloaca_tools.ui.forms.limit_form import change_of, with_given
from cloaca_tools.ui.pages.limits import changes as pages
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from starlette.responses import Response


async def change(visit: Visit) -> Response:
    """Set what the form has in another way than it is now."""
    given = await given_to(visit)
    limit = await pages.known(visit, needed(given, "name"))
    settings = with_given(limit, given)
    try:
        operation, _ = change_of(limit, settings, visit.visitor.name)
        if operation is not None:
            await visit.site.do(operation)
    except (LimitNotFoundError, RunnerClosedError, StoreError):
        raise
    except (CloacaError, ValueError) as error:
        return await pages.change_page(visit, given, str(error))
    return visit.back_to(visit.paths.page("limit", name=limit.name, **visit.reporting(done="set")))


async def clear(visit: Visit) -> Response:
    """Let the settings of the code count again."""
    name = needed(await given_to(visit), "name")
    await visit.site.do(ClearLimit(name, visit.visitor.name))
    return visit.back_to(visit.paths.page("limit", name=name, **visit.reporting(done="cleared")))


ROUTES: Final[tuple[Address, ...]] = (
    ("POST", "/limit/change", change),
    ("POST", "/limit/clear", clear),
)
