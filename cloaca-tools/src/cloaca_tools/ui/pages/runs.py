"""Runs that a filter selects. The filter is the address.

A page that is open asks for itself anew with the ids of the rows that it shows. These stay where
they are, with the states of now, and what is new is only counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from cloaca_core.values.ids import is_run_id
from cloaca_core.values.states import RunStatus
from cloaca_tools.ui.forms.filter_line import HINTS, FilterLine, Token, filter_line
from cloaca_tools.ui.forms.run_facets import RunFacet, run_facets
from cloaca_tools.ui.forms.time_range import entered_range, time_range
from cloaca_tools.ui.runs.bulk_result import act_words, bulk_done
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.ui.words.texts import up_to_99
from cloaca_tools.views import RunPage
from cloaca_tools.views.lists.filters import Term, listed

if TYPE_CHECKING:
    from cloaca_tools.views.lists.filters import Filter
    from cloaca_tools.views.lists.search import Tally
    from cloaca_tools.views.run.standings import Standing

PAGE: Final = 50
COUNTED: Final = 1_000
"""Runs that are counted at most."""
TRAIL: Final = 20
"""Pages to which Newer goes back."""
_ACTS: Final = (
    ("retry", "i-retry", "Retry"),
    ("pause", "i-pause", "Pause"),
    ("resume", "i-play", "Resume"),
    ("cancel", "i-cancel", "Cancel"),
)
"""Acts on selected runs, each with its symbol and its button."""
_SLOW: Final = ("error", "task")
"""Keys that have no index: what they match is not counted."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A filter that is offered, with its address and how many runs match."""

    label: str
    address: str
    count: str
    state: str = ""
    is_here: bool = False


async def runs(visit: Visit) -> Response:
    """A page of runs, newest first."""
    texts = visit.request.query_params.getlist("q")
    line = filter_line(texts[::-1])
    by_error = visit.query("group") == "error"
    chosen = entered_range(line, visit.request.query_params, visit.clock)
    if chosen is not None or (len(texts) > 1 and not line.error):
        text = line.text if chosen is None else chosen
        return visit.back_to(visit.paths.runs(text, group="error" if by_error else ""))
    if by_error and not line.error:
        return await _by_error(visit, line)
    before = visit.query("before") or None
    page, tally, offers, facets = await asyncio.gather(
        _page(visit, line, before),
        _tally(visit, line.filter),
        _offers(visit, line),
        _facets(visit, line),
    )
    shown = [] if line.error else _shown(visit)
    rows = await visit.site.observer.standings(*(shown or [run.id for run in page.runs]))
    trail, total = _trail(visit), _total(page, before, tally)
    return await visit.page(
        "runs.html",
        line=line,
        listed=str(listed(line.filter)),
        hints=HINTS,
        page=page,
        rows=rows,
        past=_past(rows, page),
        newer=_newer(shown, page) if before is None else 0,
        before=before,
        trail=trail,
        older_trail=[*trail, before or ""][-TRAIL:],
        total=total,
        tokens=await _tokens(visit, line, page, total),
        offers=offers,
        done=bulk_done(visit.reported),
        size=PAGE,
        acts=_ACTS,
        facets=facets,
        times=time_range(line, visit.clock),
        kinds=None,
    )


async def _by_error(visit: Visit, line: FilterLine) -> Response:
    """The failed runs that match, by the class of their error; each class leads to its runs."""
    found, offers, facets = await asyncio.gather(
        visit.site.observer.error_kinds(line.filter), _offers(visit, line), _facets(visit, line)
    )
    failed = Term("status", (str(RunStatus.FAILED),))
    return await visit.page(
        "runs.html",
        line=line,
        hints=HINTS,
        offers=offers,
        done=None,
        facets=facets,
        times=time_range(line, visit.clock),
        kinds=[(each, line.with_only(failed, Term("error", (each.kind,)))) for each in found.kinds],
        is_all=found.is_all,
        rows=(),
        tokens=line.tokens,
    )


async def _tokens(visit: Visit, line: FilterLine, page: RunPage, total: str) -> tuple[Token, ...]:
    """The terms, as they are shown: an act is told in words, if one of its runs is there."""
    asked = line.chosen("act")
    if len(asked) != 1 or not page.runs:
        return line.tokens
    of_run = visit.site.observer.actions(run=page.runs[0].id, submissions=False)
    act = next((each for each in await of_run if each.id == asked[0]), None)
    if act is None:
        return line.tokens
    is_all = {term.key for term in line.filter.terms} <= {"act", "by"}
    words = act_words(act, total if is_all else "", visit.clock)
    return line.telling(act.id, act.by, words)


async def _facets(visit: Visit, line: FilterLine) -> tuple[RunFacet, ...]:
    """What the list can be narrowed to; nothing where a term cannot be read."""
    if line.error:
        return ()
    found = await visit.site.observer.facets(listed(line.filter))
    return run_facets(line, found, visit.masked)


async def _page(visit: Visit, line: FilterLine, before: str | None) -> RunPage:
    """The runs that match: none as long as a term cannot be read, for acts must not be offered on
    more runs than were meant.
    """
    if line.error:
        return RunPage((), None)
    return await visit.site.observer.runs(listed(line.filter), limit=PAGE, before=before)


async def _tally(visit: Visit, filter_: Filter) -> Tally | None:
    if any(term.key in _SLOW for term in filter_.terms):
        return None
    return await visit.site.observer.tally(listed(filter_), most=COUNTED)


def _total(page: RunPage, before: str | None, tally: Tally | None) -> str:
    """How many runs match, in words; "" where that is not known."""
    if page.next is None and before is None:
        return f"{len(page.runs):,}"
    return "" if tally is None else counted_up_to(tally)


def counted_up_to(tally: Tally) -> str:
    """``16`` or ``1,000+``."""
    return f"{tally.number:,}{'' if tally.is_all else '+'}"


def _shown(visit: Visit) -> list[str]:
    """The rows that an open page shows."""
    given = visit.query("shown").split(",")[:PAGE]
    return [run_id for run_id in given if is_run_id(run_id)] if visit.wants == "page" else []


def _trail(visit: Visit) -> list[str]:
    """The marks of the newer pages that were passed; "" is the mark of the first."""
    given = visit.request.query_params.get("trail")
    marks = [] if given is None else given.split(",")[-TRAIL:]
    return [mark for mark in marks if not mark or is_run_id(mark)]


def _newer(shown: Sequence[str], page: RunPage) -> int:
    """How many runs match that an open page does not show yet."""
    return len([run for run in page.runs if run.id not in shown]) if shown else 0


def _past(rows: Sequence[Standing], page: RunPage) -> frozenset[str]:
    """The rows that do not match any more."""
    matching = {run.id for run in page.runs}
    last = page.runs[-1].id if page.runs and page.next is not None else ""
    ids = [row.run.id for row in rows]
    return frozenset([run_id for run_id in ids if run_id not in matching and run_id >= last])


async def _offers(visit: Visit, line: FilterLine) -> list[Offer]:
    """The filters that every visitor is offered."""
    observer, most = visit.site.observer, 99
    begun, before = visit.clock.midnight(), visit.clock.midnight(1)
    today = f"status:failed since:{begun}"
    yesterday = f"status:failed since:{before} until:{begun}"
    under_way, over, failed, failed_before, people = await asyncio.gather(
        observer.under_way(most + 1),
        observer.tally("status:failed,cancelled", most=most + 1),
        observer.tally(today, most=most + 1),
        observer.tally(yesterday, most=most + 1),
        observer.waiting(),
    )
    left = sum(under_way.values()) + over.number
    return [
        _offer(visit, line, "Not completed", "-status:completed", left, ""),
        _offer(visit, line, "Failed today", today, failed.number, "failed"),
        _offer(visit, line, "Failed yesterday", yesterday, failed_before.number, "failed"),
        Offer("Waiting for people", visit.paths.page("inbox"), *_counted(people.total, "waiting")),
    ]


def _offer(visit: Visit, line: FilterLine, label: str, text: str, number: int, state: str) -> Offer:
    is_here = line.text == filter_line([text]).text
    return Offer(label, visit.paths.runs(text), *_counted(number, state), is_here=is_here)


def _counted(number: int, state: str) -> tuple[str, str]:
    """A number up to a bound, and the state of its mark."""
    return up_to_99(number), state if number else ""


async def start(visit: Visit) -> Response:
    """The workflows of which a run can be started."""
    visit.must_act()
    found = await visit.site.observer.workflows()
    return await visit.page("start.html", workflows=found)


ROUTES: Final[tuple[Address, ...]] = (
    ("GET", "/runs", runs),
    ("GET", "/runs/start", start),
)
