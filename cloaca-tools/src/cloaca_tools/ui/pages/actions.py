"""The acts of people on runs and workflows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.ui.words import schedule_texts

if TYPE_CHECKING:
    from starlette.responses import Response

    from cloaca_core.views.history import Action

LOOKED_AT: Final = 1_000
"""Acts whose people and kinds are offered, the newest; also those without submissions, of which
there may be as many as runs.
"""
PAGE: Final = 50
_PEOPLE: Final = 12


async def actions(visit: Visit) -> Response:
    """The page of acts, newest first."""
    by, kind, before = visit.query("by"), visit.query("kind"), visit.query("before")
    run = visit.query("run")
    of_run, observer, kinds = run or None, visit.site.observer, kinds_of(kind)
    everything, asked, acts = await asyncio.gather(
        observer.actions(limit=LOOKED_AT, run=of_run),
        observer.actions(limit=LOOKED_AT, submissions=False, run=of_run),
        observer.actions(
            limit=PAGE + 1, by=by or None, kinds=kinds, before=before or None, run=of_run
        ),
    )
    known = together(everything, asked)
    return await visit.page(
        "actions.html",
        by=by,
        kind=kind,
        run=run,
        any=bool(known),
        people=[name for name, _ in Counter([act.by for act in known]).most_common(_PEOPLE)],
        kinds=_offered(known),
        acts=acts[:PAGE],
        older=acts[PAGE - 1].mark if len(acts) > PAGE else None,
    )


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
