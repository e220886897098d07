"""Who has asked what of runs and workflows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cloaca_core.ui.asking import Address, Ask
from cloaca_core.ui.words import schedule_texts

if TYPE_CHECKING:
    from starlette.responses import Response

    from cloaca_core.runner.history import Action

LOOKED_AT: Final = 1_000
"""Acts among which a person or a kind is looked for, the newest. Submissions, of which there may be
as many as runs, are not counted where other kinds are looked for.
"""
PAGE: Final = 50
_PEOPLE: Final = 12


async def actions(ask: Ask) -> Response:
    """The page of acts, newest first."""
    by, kind, before = ask.query("by"), ask.query("kind"), ask.number("before")
    everything, asked = await asyncio.gather(
        ask.desk.observer.actions(limit=LOOKED_AT),
        ask.desk.observer.actions(limit=LOOKED_AT, submissions=False),
    )
    acts = everything if kind in ("", "submit") else asked
    found = chosen(acts, by, kind)
    known = together(everything, asked)
    return await ask.page(
        "actions.html",
        by=by,
        kind=kind,
        any=bool(acts),
        people=[name for name, _ in Counter([act.by for act in known]).most_common(_PEOPLE)],
        kinds=_kinds_of(known),
        acts=found[before : before + PAGE],
        older=before + PAGE if len(found) > before + PAGE else None,
        all_seen=len(acts) < LOOKED_AT,
    )


def together(*lists: Sequence[Action]) -> list[Action]:
    """The acts of all lists, each of them once."""
    return list({(act.id, act.run_id): act for acts in lists for act in acts}.values())


def chosen(acts: Sequence[Action], by: str, kind: str) -> list[Action]:
    """Those acts of a person, or of all, that are of a kind or group, or of any."""
    return [act for act in acts if by in ("", act.by) and kind in ("", act.kind, _group(act.kind))]


def _kinds_of(acts: Sequence[Action]) -> dict[str, str]:
    """The kinds and groups of acts to choose from, with what people read."""
    there = {_group(act.kind) or act.kind for act in acts}
    kinds = {kind: told for kind, told in schedule_texts.ACTS.items() if kind in there}
    return kinds | {group: group for group in schedule_texts.ACTS_ON if group in there}


def _group(kind: str) -> str | None:
    """The group that a kind belongs to, if it does."""
    ends = schedule_texts.ACTS_ON.items()
    return next((group for group, end in ends if kind.endswith(end)), None)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/actions", actions),)
