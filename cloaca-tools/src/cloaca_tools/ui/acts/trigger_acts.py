"""Enables and disables triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.features.triggers.operations import EnableTrigger
from cloaca_tools.ui.forms.form_texts import given_to, needed
from cloaca_tools.ui.pages.triggers import known
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from starlette.responses import Response


async def switch(visit: Visit) -> Response:
    """Enable or disable a trigger, in all programs that have it."""
    given = await given_to(visit)
    name = (await known(visit, visit.query("name"))).name
    enabled = needed(given, "enabled") == "yes"
    await visit.site.do(EnableTrigger(name, enabled, visit.visitor.name))
    one = given.get("on") == "one"
    return visit.back_to(
        visit.paths.page("trigger", name=name) if one else visit.paths.page("triggers")
    )


ROUTES: Final[tuple[Address, ...]] = (("POST", "/trigger/switch", switch),)
