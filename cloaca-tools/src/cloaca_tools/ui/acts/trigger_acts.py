"""Enables and disables triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.features.triggers.operations import EnableTrigger
from cloaca_tools.ui.asking import Address, Ask
from cloaca_tools.ui.forms.form_texts import given_to, needed
from cloaca_tools.ui.pages.triggers import known

if TYPE_CHECKING:
    from starlette.responses import Response


async def switch(ask: Ask) -> Response:
    """Enable or disable a trigger, in all programs that have it."""
    given = await given_to(ask)
    name = (await known(ask, ask.query("name"))).name
    enabled = needed(given, "enabled") == "yes"
    await ask.desk.do(EnableTrigger(name, enabled, ask.visitor.name))
    one = given.get("on") == "one"
    return ask.back_to(ask.paths.page("trigger", name=name) if one else ask.paths.page("triggers"))


ROUTES: Final[tuple[Address, ...]] = (("POST", "/trigger/switch", switch),)
