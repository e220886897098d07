"""All that one looks at first: what goes on, what fails, what waits for people, and the health."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from cloaca_core.ui.asking import Address, Ask
from cloaca_core.ui.charts.lanes import WIDTH, chart
from cloaca_core.ui.charts.strip import strip
from cloaca_core.ui.words import STATES, counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.observe.activity import Activity
    from cloaca_core.observe.overview import Overview
    from cloaca_core.observe.standings import Standing

PERIODS: Final = ("1", "6", "24")
LANES: Final = 12
"""Workflows of which a lane is drawn."""
PEOPLE: Final = 50
"""Approvals and paused runs that are looked at."""
ASKED: Final = 6
"""The same that are shown."""
STOPPED: Final = "status:paused by:cloaca"
"""Runs that the engine has paused, after a failure."""


async def now(ask: Ask) -> Response:
    """The page that opens first."""
    asked = ask.query("hours")
    hours = asked if asked in PERIODS else "6"
    observer = ask.desk.observer
    overview, activity, approvals, stopped, newest, glance = await asyncio.gather(
        observer.overview(),
        observer.activity(float(hours)),
        observer.approvals(PEOPLE),
        _stopped(ask),
        observer.runs(limit=1),
        ask.desk.checkup.look(),
    )
    failing = [each.workflow for each in activity.failing]
    drawn = chart(activity, ask.clock.local, STATES, failing)
    return await ask.page(
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
        approvals=approvals,
        stopped=stopped,
        asked=ASKED,
        glance=glance,
        slots=await _slots(ask, overview),
        lede=lede(activity, len(approvals), len(stopped)),
        is_new=not newest.runs,
        paused=frozenset(overview.paused_workflows),
    )


async def _stopped(ask: Ask) -> Sequence[Standing]:
    """Runs that were paused by a failure, the one that waits longest first."""
    page = await ask.desk.observer.runs(STOPPED, limit=PEOPLE)
    found = await ask.desk.observer.standings(*[run.id for run in page.runs]) if page.runs else ()
    return [each for each in reversed(found) if each.stopped_by is not None]


async def _slots(ask: Ask, overview: Overview) -> tuple[int, int] | None:
    """How many slots are in use, and of how many, where one runner alone is alive, and it is here.
    Of the kinds of slots those count that are in use.
    """
    alive = [each for each in overview.runners if each.alive]
    if len(alive) != 1 or not alive[0].is_here:
        return None
    slots = await ask.desk.calls.claiming.slots()
    own = [each for each in slots.values() if each.used] or list(slots.values())[:1]
    return sum([each.used for each in own]), sum([each.used + each.free for each in own])


def lede(activity: Activity, decisions: int, stopped: int) -> str:
    """The state of things in a sentence or two."""
    fails = len(activity.failing)
    waits = [
        text
        for number, text in (
            (decisions, counted(decisions, "decision")),
            (stopped, counted(stopped, "paused run")),
        )
        if number
    ]
    sentences = []
    if fails:
        sentences.append(f"{counted(fails, 'workflow')} {'fails' if fails == 1 else 'fail'}.")
    if waits:
        verb = "waits" if decisions + stopped == 1 else "wait"
        sentences.append(f"{' and '.join(waits)} {verb} for you.")
    return " ".join(sentences) or "Nothing fails, and nothing waits for you."


ROUTES: Final[tuple[Address, ...]] = (("GET", "/", now),)
