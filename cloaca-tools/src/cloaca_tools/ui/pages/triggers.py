"""Triggers: all of them, and one with the runs that it fired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import ScheduleError
from cloaca_core.values.arguments import near_names
from cloaca_tools.ui.charts.strip import Strip, strip
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from cloaca_tools.views.triggers import EventLine, TriggerLine

PAGE: Final = 50
LATELY: Final = 20
SHOWN: Final = 50
STRIP: Final = 60
"""Events of the strip of one trigger."""
KNOWN: Final = 1_000
"""Triggers of which one may be meant by a name that none has."""


@dataclass(frozen=True, slots=True)
class Row:
    """A trigger in the list."""

    line: TriggerLine
    strip: Strip


async def triggers(visit: Visit) -> Response:
    """The page of all triggers."""
    offset = visit.number("after")
    found = await visit.site.observer.triggers(limit=PAGE, offset=offset)
    return await visit.page(
        "triggers.html",
        rows=[Row(line, _strip(line.events, LATELY)) for line in found.triggers],
        on=sum([line.enabled for line in found.triggers]),
        failing=sum([bool(line.last_error) and line.enabled for line in found.triggers]),
        after=offset + PAGE if found.more else None,
    )


def _strip(events: Sequence[EventLine], places: int = 0) -> Strip:
    statuses = [None if each.run is None else each.run.status for each in events]
    return strip(statuses[-STRIP:], places, "event")


async def trigger(visit: Visit) -> Response:
    """The page of one trigger."""
    line = await known(visit, visit.query("name"))
    events, before = line.events[::-1], visit.number("before")
    return await visit.page(
        "trigger.html",
        line=line,
        strip=_strip(line.events),
        events=events[before : before + SHOWN],
        older=before + SHOWN if len(events) > before + SHOWN else None,
    )


async def known(visit: Visit, name: str) -> TriggerLine:
    """The trigger of this name; ``RefusedError`` 404 if there is none."""
    try:
        return await visit.site.observer.trigger(name)
    except ScheduleError as error:
        names = [each.name for each in (await visit.site.observer.triggers(limit=KNOWN)).triggers]
        near = near_names(name, names)
        raise RefusedError(404, "There is no such trigger", str(error), "triggers", near) from error


ROUTES: Final[tuple[Address, ...]] = (("GET", "/triggers", triggers), ("GET", "/trigger", trigger))
