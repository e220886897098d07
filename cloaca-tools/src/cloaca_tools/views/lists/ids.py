"""Which run a reference names: an id, the beginning of one, or a place in the order of runs.

``@`` is the newest run, ``@~1`` the one before it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.calls.arguments import checked_run_id
from cloaca_core.errors import AmbiguousRunError, RunNotFoundError
from cloaca_core.features.search.records import Condition, RunSearch
from cloaca_core.values.ids import is_run_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.run.rows import RunRow

NAMED: Final = 5
"""So many candidates an error has."""

_PLACE: Final = re.compile(r"@(?:~(\d{1,6}))?")
_PREFIX: Final = re.compile(r"[0-9a-f-]{1,36}")
_WINDOW: Final = 100


def checked_ref(ref: str) -> str:
    """A checked reference. The case of an id does not matter."""
    return checked_run_id(ref).strip().lower()


async def resolved(engine: Looks, ref: str) -> str:
    """The id of the run that a reference names. ``RunNotFoundError`` for none,
    ``AmbiguousRunError`` for several.
    """
    if (place := _PLACE.fullmatch(ref)) is not None:
        return await _at(engine, ref, int(place[1] or 0))
    if _PREFIX.fullmatch(ref) is None:
        raise RunNotFoundError(f"no run with id {ref!r}", run_id=ref)
    wanted = RunSearch((Condition("id", (ref,)),), look_at=NAMED)
    found = (await engine.store.search(wanted)).rows
    if not found:
        raise RunNotFoundError(f"no run has an id that begins with {ref!r}", run_id=ref)
    if len(found) > 1:
        raise _ambiguous(ref, found)
    return found[0].id


async def marked(engine: Looks, ref: str) -> str:
    """The same for a mark in the order of runs: a whole id is one also if its run is not there."""
    return ref if is_run_id(ref) else await resolved(engine, ref)


async def _at(engine: Looks, ref: str, place: int) -> str:
    """The id of the run before which so many are newer. Hidden runs do not count."""
    wanted = RunSearch(look_at=max(_WINDOW, place + 1))
    while True:
        found = await engine.store.search(wanted)
        if place < len(found.rows):
            return found.rows[place].id
        if found.reached is None:
            raise RunNotFoundError(f"there is no run {ref}: there are fewer runs", run_id=ref)
        place -= len(found.rows)
        wanted = wanted._replace(before=found.reached)


def _ambiguous(ref: str, found: Sequence[RunRow]) -> AmbiguousRunError:
    ids = tuple([row.id for row in found])
    named = ", ".join(ids)
    return AmbiguousRunError(
        f"several runs have ids that begin with {ref!r}: {named}", run_id=ref, candidates=ids
    )
