"""Asks runners to leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.operations.claiming import DrainRunner
from cloaca_tools.ui.asking import Address, Ask
from cloaca_tools.ui.forms.form_texts import given_to, needed
from cloaca_tools.ui.refusals import RefusedError

if TYPE_CHECKING:
    from starlette.responses import Response


async def drain(ask: Ask) -> Response:
    """Ask a runner to leave, wherever it runs."""
    runner_id = needed(await given_to(ask), "runner")
    if not await ask.desk.do(DrainRunner(runner_id, ask.visitor.name)):
        raise RefusedError(409, "There is no such runner", "It has left, or was declared dead.")
    return ask.back_to(ask.paths.page("runners", drained=runner_id))


ROUTES: Final[tuple[Address, ...]] = (("POST", "/runners/drain", drain),)
