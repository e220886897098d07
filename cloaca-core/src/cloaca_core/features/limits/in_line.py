"""Units that wait in line in the database, and keep their places there as their run leaves memory.

A unit is known to wait once a transaction has asked for its places and got none. Its run may then
leave: the commit that gives the run back lets the waiters stand without a runner. A place that
comes while that commit is under way is not used here; the commit leaves it with the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.features.limits.records import (
    IN_LINE,
    PLACES_BACK,
    Grant,
    InLine,
    Need,
    PlacesBack,
    Unit,
)
from cloaca_core.run.items.units import BITS, TASK

if TYPE_CHECKING:
    from cloaca_core.engine.record.entries import Draft
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.run.watcher import EndedWait
    from cloaca_core.values.times.instants import Instant


class InLineRow(NamedTuple):
    """What keeps its place in line as its run is given back."""

    row: InLine

    def add_to(self, draft: Draft) -> None:
        """Put it into a batch."""
        draft.put(IN_LINE, (self.row,))

    @property
    def weight(self) -> int:
        """About how many bytes it holds."""
        return IN_LINE.weight((self.row,)) * len(self.row.units)

    def ended_waits(self, _: ActiveRun, __: Sequence[AttemptRow]) -> list[EndedWait]:
        """It ends no wait."""
        return []


class PlacesBackRow(NamedTuple):
    """The places that are given back with the rows of one entry."""

    row: PlacesBack

    def add_to(self, draft: Draft) -> None:
        """Put it into a batch."""
        draft.put(PLACES_BACK, (self.row,))

    @property
    def weight(self) -> int:
        """About how many bytes it holds."""
        return PLACES_BACK.weight((self.row,))

    def ended_waits(self, _: ActiveRun, __: Sequence[AttemptRow]) -> list[EndedWait]:
        """It ends no wait."""
        return []


class InLineUnits:
    """By run. ``_denied`` are the units that are known to wait, each since an instant. ``_leaving``
    are the units of a run that is being given back, ``_late`` the places that such units got
    meanwhile. Belongs to the engine's loop.
    """

    def __init__(self) -> None:
        self._denied: dict[ActiveRun, dict[Unit, Instant]] = {}
        self._leaving: dict[ActiveRun, dict[Unit, tuple[Need, ...]]] = {}
        self._late: dict[ActiveRun, list[Grant]] = {}

    def deny(self, run: ActiveRun, unit: Unit, now: Instant) -> None:
        """A unit has asked, and waits."""
        self._denied.setdefault(run, {})[unit] = now

    def denied(self, run: ActiveRun) -> Mapping[Unit, Instant]:
        """The units that are known to wait, and since when."""
        return self._denied.get(run, {})

    def denied_units(self, run: ActiveRun) -> Mapping[int, Instant]:
        """The same by the numbers of the units."""
        return {unit_of_key(run, key): since for key, since in self.denied(run).items()}

    def discard(self, run: ActiveRun, unit: Unit) -> None:
        """A unit does not wait any more, or asks again."""
        for units in (self._denied.get(run), self._leaving.get(run)):
            if units is not None:
                units.pop(unit, None)

    # -- the run leaves ----------------------------------------------------------------------

    def keep(self, run: ActiveRun, units: Mapping[Unit, tuple[Need, ...]]) -> None:
        """The run is being given back: these units are to stay in line without a runner."""
        if units:
            self._leaving.setdefault(run, {}).update(units)

    def rows(self, run: ActiveRun) -> Sequence[InLineRow]:
        """The rows that are written as the run is given back."""
        units = self._leaving.get(run)
        return (InLineRow(InLine(run.id, dict(units))),) if units else ()

    def is_late(self, grant: Grant) -> bool:
        """Whether a unit has got these places that is about to leave: they are not used here."""
        unit = (grant.run_id, grant.task_id, grant.item)
        for run, units in self._leaving.items():
            if unit in units:
                self._late.setdefault(run, []).append(grant)
                return True
        return False

    def left(self, run: ActiveRun) -> None:
        """The run was given back: the database has its units and places."""
        self._leaving.pop(run, None)
        self._late.pop(run, None)

    def forget(self, run: ActiveRun) -> tuple[Sequence[Unit], Sequence[Grant]]:
        """The run is over, or belongs to another runner. Returns the units and places that it was
        to leave, if it was not given back.
        """
        self._denied.pop(run, None)
        return list(self._leaving.pop(run, ())), self._late.pop(run, [])


def key_of_unit(run: ActiveRun, unit: int) -> Unit:
    """The key of a unit in the rows of limits."""
    return run.id, run.graph.tasks[unit & TASK].id, (unit >> BITS) - 1


def unit_of_key(run: ActiveRun, key: Unit) -> int:
    """The inverse of ``key_of_unit``."""
    return run.graph.position[key[1]] + ((key[2] + 1) << BITS)
