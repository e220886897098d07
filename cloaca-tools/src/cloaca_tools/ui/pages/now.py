"""All that one looks at first: what goes on, what fails, what waits for people, and the health."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from cloaca_core.operations.claiming import Slots
from cloaca_core.values.wording import counted
from cloaca_tools.ui.charts.lanes import WIDTH, chart
from cloaca_tools.ui.charts.strip import strip
from cloaca_tools.ui.pages.inbox import card_id
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.ui.words.texts import STATES, up_to_99

if TYPE_CHECKING:
    from cloaca_tools.views.inbox import WaitingForPeople
    from cloaca_tools.views.overview import Overview

PERIODS: Final = ("1", "6", "24")
LANES: Final = 12
"""Workflows of which a lane is drawn."""
ASKED: Final = 6
"""Decisions that are shown, and runs that a failure has stopped."""


async def now(visit: Visit) -> Response:
    """The page that opens first."""
    asked = visit.query("hours")
    hours = asked if asked in PERIODS else "6"
    observer = visit.site.observer
    overview, activity, inbox, waiting, newest, glance = await asyncio.gather(
        observer.overview(),
        observer.activity(float(hours)),
        observer.inbox(limit=ASKED, facts=False),
        visit.waiting(),
        observer.runs(limit=1),
        visit.site.health.look(),
    )
    failing = [each.workflow for each in activity.failing]
    drawn = chart(activity, visit.clock.local, STATES, failing)
    return await visit.page(
        "now.html",
        hours=hours,
        periods=PERIODS,
        overview=overview,
        activity=activity,
        chart=drawn,
        lanes=drawn.lanes[:LANES],
        more_lanes=drawn.lanes[LANES:],
        histogram_width=WIDTH,
        strips=[strip(each.last) for each in activity.failing],
        inbox=inbox,
        card_id=card_id,
        waiting=waiting,
        glance=glance,
        slots=await _slots(visit, overview),
        lede=lede(len(activity.failing), waiting, len(overview.failing_triggers)),
        is_new=not newest.runs,
        paused=frozenset(overview.paused_workflows),
    )


async def _slots(visit: Visit, overview: Overview) -> tuple[int, int] | None:
    """How many slots are in use, and of how many, where one runner alone is alive, and it is here.
    Of the kinds of slots those count that are in use.
    """
    alive = [each for each in overview.runners if each.alive]
    if len(alive) != 1 or not alive[0].is_here:
        return None
    slots = await visit.site.do(Slots())
    own = [each for each in slots.values() if each.used] or list(slots.values())[:1]
    return sum([each.used for each in own]), sum([each.used + each.free for each in own])


def lede(failing: int, waiting: WaitingForPeople, triggers: int = 0) -> str:
    """The state of things in a sentence or two."""
    counts = ((waiting.decisions, "decision"), (waiting.stopped, "paused run"))
    waits = [f"{up_to_99(n)} {noun}{'' if n == 1 else 's'}" for n, noun in counts if n]
    sentences = []
    named = ((failing, "workflow"), (triggers, "trigger"))
    if fails := [counted(number, noun) for number, noun in named if number]:
        verb = "fails" if failing + triggers == 1 else "fail"
        sentences.append(f"{' and '.join(fails)} {verb}.")
    if waits:
        verb = "waits" if waiting.total == 1 else "wait"
        sentences.append(f"{' and '.join(waits)} {verb} for you.")
    return " ".join(sentences) or "Nothing fails, and nothing waits for you."


ROUTES: Final[tuple[Address, ...]] = (("GET", "/", now),)
