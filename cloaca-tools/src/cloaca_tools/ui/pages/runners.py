"""The runners of the database: who executes runs, and who is to leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from cloaca_tools.views import RunnerLine
    from cloaca_tools.views.queues import QueueLine


async def runners(visit: Visit) -> Response:
    """The page of all runners."""
    lines = await visit.site.observer.runners()
    found = [each for each in lines if each.lost_at is None]
    names = {each.id: each.name for each in found}
    queues = await visit.site.observer.queues()
    drained = visit.query("drained")
    return await visit.page(
        "runners.html",
        runners=found,
        lost=[each for each in lines if each.lost_at is not None],
        names=names,
        queues=_queues(queues),
        alive=sum([each.alive for each in found]),
        drained=next((each for each in found if each.id == drained), None),
        has_left=bool(drained) and all(each.id != drained for each in found),
    )


def _queues(lines: Sequence[QueueLine]) -> list[QueueLine]:
    """The queues, first those whose runs no runner takes; none of a database with the usual one."""
    if all(each.name == DEFAULT_QUEUE for each in lines):
        return []
    return sorted(lines, key=lambda each: not each.is_unserved)


async def drain(visit: Visit) -> Response:
    """The question before a runner is asked to leave."""
    visit.must_act()
    return await visit.page("runner_drain.html", runner=await known(visit, visit.query("runner")))


async def known(visit: Visit, runner_id: str) -> RunnerLine:
    """The runner of this id; ``RefusedError`` 404 if there is none."""
    for each in await visit.site.observer.runners():
        if each.id == runner_id and each.lost_at is None:
            return each
    raise RefusedError(
        404, "There is no such runner", "It has left, or was declared dead.", "runners"
    )


ROUTES: Final[tuple[Address, ...]] = (
    ("GET", "/runners", runners),
    ("GET", "/runners/drain", drain),
)
