"""Acts on many runs at once: their plan first, then the act itself.

Runs are chosen by their ids or by a filter. Both are a filter in the end, and the command line
takes the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from starlette.datastructures import FormData
from starlette.responses import Response

from cloaca_core.values.ids import is_run_id
from cloaca_tools.ui.pages.runs import COUNTED, counted_up_to
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.runs.bulk_result import PAST
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.views.lists.filters import Filter, Term, parse
from cloaca_tools.views.lists.steerable import steerable

if TYPE_CHECKING:
    from starlette.datastructures import QueryParams

Kind: TypeAlias = Literal["cancel", "pause", "resume", "retry"]

SHOWN: Final = 10
"""Runs that a plan shows."""
MOST_IDS: Final = 200
EVERYTHING: Final = "since:1970-01-01"
"""The filter that every run meets, for an empty one: acts need a term."""
_SAYS: Final = {
    "retry": "Each run begins again where it failed. Tasks that have completed keep their results.",
    "pause": "Tasks that are running end first; then nothing begins until the runs are resumed.",
    "resume": "The runs go on where they were paused.",
    "cancel": "The runs end as Cancelled, with the runs that they have submitted. "
    "Bodies that are running are asked to stop.",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The runs that an act is about: ``filter`` selects them. ``ids`` are empty, and ``q`` is the
    filter of the list, if it is about all that match.
    """

    kind: Kind
    q: str
    ids: tuple[str, ...]

    @property
    def filter(self) -> Filter:
        """The filter that selects them."""
        if self.ids:
            return Filter((Term("id", self.ids),))
        return parse(self.q or EVERYTHING)

    @property
    def words(self) -> list[str]:
        """The words after ``cloaca`` that act on the same runs."""
        words = self.ids or tuple(map(str, parse(self.q).terms)) or ("--all",)
        return ["runs", self.kind, *words]


def chosen(given: QueryParams | FormData) -> Chosen:
    """The runs that a form has chosen. ``RefusedError`` if there are none, ``FilterError`` if the
    filter cannot be read, even where runs are chosen by their ids.
    """
    kind, q = given.get("kind"), given.get("q")
    if kind not in PAST:
        raise RefusedError(404, "There is no such act", f"There are {', '.join(PAST)}.")
    ids = [each for each in given.getlist("id") if isinstance(each, str) and is_run_id(each)]
    if given.get("all"):
        ids = []
    elif not ids:
        raise RefusedError(422, "No run is selected", "Go back and select some.")
    text = q.strip() if isinstance(q, str) else ""
    parse(text)
    return Chosen(cast("Kind", kind), text, tuple(dict.fromkeys(ids[:MOST_IDS])))


async def plan(visit: Visit) -> Response:
    """A preview of an act, with a form that starts it."""
    visit.must_act()
    it = chosen(visit.request.query_params)
    narrowed = steerable(it.kind, it.filter)
    tally = await visit.site.observer.tally(narrowed, most=COUNTED)
    first = await visit.site.observer.runs(narrowed, limit=SHOWN)
    selected = await _selected(visit, it)
    return await visit.page(
        "bulk.html",
        it=it,
        says=_SAYS[it.kind],
        number=tally.number,
        count=counted_up_to(tally),
        first=first.runs,
        left_out=0 if selected is None else selected - tally.number,
    )


async def _selected(visit: Visit, it: Chosen) -> int | None:
    """How many runs were selected; None if they are too many to be counted."""
    tally = await visit.site.observer.tally(it.filter, most=COUNTED)
    return tally.number if tally.is_all else None


async def act(visit: Visit) -> Response:
    """Carry the act out, and go on to the runs that it has changed, which are seen to change."""
    form = await visit.form()
    it = chosen(form)
    reason = _text(form.getlist("reason"))
    result = await visit.site.observer.steer(
        it.kind, it.filter, reason=reason, by=visit.visitor.name
    )
    done = visit.reporting(done=it.kind, changed=result.changed, refused=result.refused)
    touched = it.q if result.act is None else str(_touched(visit.visitor.name, result.act))
    return visit.back_to(visit.paths.runs(touched, **done))


def _touched(by: str, act: str) -> Filter:
    """The runs that an act has changed, among those on which the visitor has acted: that has an
    index.
    """
    return Filter((Term("by", (by,)), Term("act", (act,))))


def _text(given: Sequence[object]) -> str | None:
    texts = [each.strip() for each in given if isinstance(each, str)]
    return texts[0] if texts and texts[0] else None


ROUTES: Final[tuple[Address, ...]] = (
    ("GET", "/runs/bulk", plan),
    ("POST", "/runs/bulk", act),
)
