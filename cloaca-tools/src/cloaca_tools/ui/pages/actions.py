"""The acts of people on runs and workflows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.ui.words import schedule_texts
from cloaca_tools.views.lists.filters import Filter, Term

if TYPE_CHECKING:
    from starlette.responses import Response

    from cloaca_core.views.history import Action

LOOKED_AT: Final = 1_000
"""Acts whose people and kinds are offered, the newest; also those without submissions, of which
there may be as many as runs.
"""
PAGE: Final = 50
_PEOPLE: Final = 12


@dataclass(frozen=True, slots=True)
class ActLine:
    """A row: an act, on ``runs`` runs of these workflows if one call has asked for them all. The
    ``mark`` is that of the last of them.
    """

    act: Action
    runs: int
    workflows: tuple[str, ...]
    filter: str
    mark: str


async def actions(visit: Visit) -> Response:
    """The page of acts, newest first."""
    by, kind, before = visit.query("by"), visit.query("kind"), visit.query("before")
    run = visit.query("run")
    of_run, observer, kinds = run or None, visit.site.observer, kinds_of(kind)
    everything, asked, acts = await asyncio.gather(
        observer.actions(limit=LOOKED_AT, run=of_run),
        observer.actions(limit=LOOKED_AT, submissions=False, run=of_run),
        observer.actions(
            limit=LOOKED_AT, by=by or None, kinds=kinds, before=before or None, run=of_run
        ),
    )
    known, lines = together(everything, asked), lines_of(acts)
    return await visit.page(
        "actions.html",
        by=by,
        kind=kind,
        run=run,
        any=bool(known),
        people=[name for name, _ in Counter([act.by for act in known]).most_common(_PEOPLE)],
        kinds=_offered(known),
        lines=lines[:PAGE],
        older=lines[:PAGE][-1].mark if len(lines) > PAGE or len(acts) == LOOKED_AT else None,
    )


def lines_of(acts: Sequence[Action]) -> list[ActLine]:
    """The rows of acts: one for all runs that a call has changed."""
    lines = []
    for id_, same in groupby(acts, lambda act: act.id):
        its = list(same)
        of_it = Filter((Term("by", (its[0].by,)), Term("act", (id_,))))
        workflows = tuple(dict.fromkeys([act.workflow_name for act in its]))
        lines.append(ActLine(its[0], len(its), workflows, str(of_it), its[-1].mark))
    return lines


def together(*lists: Sequence[Action]) -> list[Action]:
    """The acts of all lists, each of them once."""
    return list({(act.id, act.run_id): act for acts in lists for act in acts}.values())


def kinds_of(chosen: str) -> Collection[str] | None:
    """The kinds of acts of a kind or group; None for any."""
    if not chosen:
        return None
    return [kind for kind in schedule_texts.ACTS if _group(kind) == chosen] or [chosen]


def _offered(acts: Sequence[Action]) -> dict[str, str]:
    """The kinds and groups of acts to choose from, with what people read."""
    there = {_group(act.kind) or act.kind for act in acts}
    kinds = {kind: told for kind, told in schedule_texts.ACTS.items() if kind in there}
    return kinds | {group: group for group in schedule_texts.ACTS_ON if group in there}


def _group(kind: str) -> str | None:
    """The group that a kind belongs to, if it does."""
    ends = schedule_texts.ACTS_ON.items()
    return next((group for group, end in ends if kind.endswith(end)), None)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/actions", actions),)
