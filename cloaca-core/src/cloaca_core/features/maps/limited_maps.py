"""Lets items of maps begin once they have their places of limits. Those that need the same wait as
one, so that a map costs a row for each key however many items it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from cloaca_core.definition.limits.needs import needs_of_items
from cloaca_core.errors import LimitKeyError
from cloaca_core.features.maps.limited_items import LimitedItems
from cloaca_core.features.maps.open_maps import open_maps
from cloaca_core.run.items.units import first_item, item_of, together, unit_of

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.features.maps.limited_items import ItemGroup
    from cloaca_core.features.maps.open_maps import OpenMap
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.items.units import Unit
    from cloaca_core.values.limits.needs import Needs


class LimitedMaps:
    """Belongs to the engine's loop."""

    def __init__(self, kernel: Orchestrator) -> None:
        self._ports = kernel.control.ports

    def open(self, run: ActiveRun, opened: OpenMap) -> None:
        """A map is about to be opened: find out what its items need. ``LimitKeyError`` if a key is
        not there. Items that have begun already ask one by one.
        """
        own = run.graph.tasks[opened.task]
        if own.wait is not None:
            return
        given, unbegun = run.plan.contexts.given(opened.task), frozenset(opened.plan.unbegun())
        try:
            found = needs_of_items(own.id, own.limits, given, opened.items.values, unbegun)
        except LimitKeyError:
            open_maps(run).remove(opened)
            raise
        groups: dict[Needs, Sequence[int]] = {}
        for needs, indexes in found.items():
            own_needs = self._ports.limits.without_held(run, needs)
            known = groups.get(own_needs)
            groups[own_needs] = indexes if known is None else sorted([*known, *indexes])
        opened.limited = LimitedItems(groups, unbegun)

    def adopt(self, run: ActiveRun, opened: OpenMap, limited: LimitedItems) -> None:
        """Let items begin with the places that came while no runner had the run."""
        choose = partial(self._choose_for, run, opened, limited)
        in_line = self._ports.limits.adopt_items(run, opened.task, choose)
        if in_line:
            firsts = {first_item(item_of(unit)) for unit in in_line}
            self._enter(run, opened, limited, limited.ask_again(_room(opened), firsts))

    def ask(self, run: ActiveRun, opened: OpenMap, limited: LimitedItems) -> None:
        """Let as many items wait for places as may begin. Those that wait do not count for
        ``max_parallel``.
        """
        self._enter(run, opened, limited, limited.ask(_room(opened)))

    def _enter(
        self,
        run: ActiveRun,
        opened: OpenMap,
        limited: LimitedItems,
        groups: Iterable[tuple[ItemGroup, int]],
    ) -> None:
        for group, units in groups:
            choose = partial(self._choose, run, opened, limited, group)
            denied = partial(self._denied, run, opened, limited, group)
            unit = _unit_of(opened, group)
            self._ports.limits.enter_items(run, unit, group.needs, units, choose, denied)

    def _denied(
        self, run: ActiveRun, opened: OpenMap, limited: LimitedItems, group: ItemGroup
    ) -> None:
        """A group waits: let others ask for the places that it has not got."""
        may_begin = run.life.may_begin and opened.plan.has_more
        self._enter(run, opened, limited, limited.denied(group, _room(opened) if may_begin else 0))

    def _choose(
        self, run: ActiveRun, opened: OpenMap, limited: LimitedItems, group: ItemGroup, more: int
    ) -> Unit | None:
        """The item that begins with a place; None if none may. ``more`` items of its group wait."""
        limited.placed(group)
        unit = _next_unit(run, opened, group)
        if unit is None and more:
            self._ports.limits.take_units(run, [_unit_of(opened, group)])
        if unit is None or not more:
            limited.rest(group)
        if unit is not None and limited.is_answered:
            self.ask(run, opened, limited)
        return unit

    def _choose_for(
        self, run: ActiveRun, opened: OpenMap, limited: LimitedItems, needs: Needs
    ) -> Unit | None:
        """The same for a place of these needs that came with the run."""
        group = limited.of(needs)
        unit = None if group is None else _next_unit(run, opened, group)
        if group is not None and not group.left:
            limited.end(group)
        return unit

    def leave(self, run: ActiveRun, opened: OpenMap, units: Iterable[Unit]) -> list[Unit]:
        """No more items of a map begin, and none of its groups waits. Returns those of these open
        ones that waited for places: a body of the others may have begun before.
        """
        if opened.limited is not None:
            groups = [_unit_of(opened, each) for each in opened.limited.rest_all()]
            self._ports.limits.take_units(run, groups)
        fresh = [unit for unit in units if not has_begun(run, unit)]
        return self._ports.limits.take_units(run, fresh)


def _room(opened: OpenMap) -> int:
    """How many more items may begin if they have places."""
    return opened.most_open - len(opened.plan.open)


def _next_unit(run: ActiveRun, opened: OpenMap, group: ItemGroup) -> Unit | None:
    """The next item of a group, which begins; None if none may."""
    if _room(opened) <= 0 or not run.life.may_begin:
        return None
    index = group.begin(opened.plan)
    unit = unit_of(opened.task, index)
    if index in opened.opening.again:
        run.resume[unit] = opened.begins_anew(index)
    return unit


def _unit_of(opened: OpenMap, group: ItemGroup) -> Unit:
    """The unit as which the items of a group wait."""
    return unit_of(opened.task, together(group.first))


def has_begun(run: ActiveRun, unit: Unit) -> bool:
    """Whether a body of this attempt of an item has begun before: it was suspended, or lost with
    its process.
    """
    latest = run.latest.get(unit)
    return latest is not None and latest.error is None
