"""Facets: how the runs that match are spread over states, workflows, queues and tags."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_tools.views.lists import search

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.run.rows import RunRow
    from cloaca_tools.views.lists.filters import Filter

MOST: Final = 1_000
"""Runs that are counted, the newest."""


@dataclass(frozen=True, slots=True)
class Facets(Shown):
    """The newest runs that match by state, by workflow, by queue and by tag, a pair of key and
    value; the most frequent first. ``number`` runs were counted; more match unless these are
    ``is_all``.
    """

    number: int
    is_all: bool
    statuses: tuple[tuple[str, int], ...]
    workflows: tuple[tuple[str, int], ...]
    queues: tuple[tuple[str, int], ...]
    tags: tuple[tuple[tuple[str, str], int], ...]


class Counted(NamedTuple):
    """Runs that match, and whether they are all."""

    rows: Sequence[RunRow]
    is_all: bool


async def read(engine: Looks, filter_: Filter) -> Counted:
    """The newest runs that match; runs on the engine's loop. It looks at ``MOST`` runs, whether
    they match or not, so that it comes soon.
    """
    wanted = await search.resolved(engine, filter_, await engine.store.now())
    if wanted is None:
        return Counted((), is_all=True)
    found = await engine.store.search(wanted._replace(look_at=MOST + 1))
    return Counted(found.rows[:MOST], found.reached is None and len(found.rows) <= MOST)


def facets(found: Counted) -> Facets:
    """The facets of these runs."""
    tags = [
        (key, value)
        for row in found.rows
        if len(row.tags) > 2
        for key, value in json.loads(row.tags).items()
    ]
    return Facets(
        number=len(found.rows),
        is_all=found.is_all,
        statuses=tuple(Counter([row.status for row in found.rows]).most_common()),
        workflows=tuple(Counter([short_name(row.workflow) for row in found.rows]).most_common()),
        queues=tuple(Counter([row.queue for row in found.rows]).most_common()),
        tags=tuple(Counter(tags).most_common()),
    )
