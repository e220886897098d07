"""Asks runners to leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.operations.claiming import DrainRunner
from cloaca_tools.ui.forms.form_texts import given_to, needed
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from starlette.responses import Response


async def drain(visit: Visit) -> Response:
    """Ask a runner to leave, wherever it runs."""
    runner_id = needed(await given_to(visit), "runner")
    if not await visit.site.do(DrainRunner(runner_id, visit.visitor.name)):
        raise RefusedError(
            409, "There is no such runner", "It has left, or was declared dead.", "runners"
        )
    return visit.back_to(visit.paths.page("runners", drained=runner_id))


ROUTES: Final[tuple[Address, ...]] = (("POST", "/runners/drain", drain),)
