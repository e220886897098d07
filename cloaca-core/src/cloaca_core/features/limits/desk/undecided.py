"""Which units that have asked for places are known to wait."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core.features.limits.desk.waiting import Waiting
    from cloaca_core.features.limits.records import Unit


class Undecided:
    """The units that have asked and got no places so far. An answer decides on them, unless another
    transaction has yet to look at their limits: one transaction gives so many places at most.
    """

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._units: dict[Unit, None] = {}

    def ask(self, units: Iterable[Unit]) -> None:
        """These units are about to ask."""
        self._units |= dict.fromkeys(units)

    def discard(self, *units: Unit) -> None:
        """These have got places, also if they cannot use them now, or do not wait any more, or are
        to ask once more.
        """
        for each in units:
            self._units.pop(each, None)

    def answered(self, again: Collection[str]) -> None:
        """An answer is here: deny the units that it leaves waiting. Of the limits ``again`` another
        transaction gives places.
        """
        units, self._units = self._units, {}
        denied: list[Unit] = []
        for unit in units:
            waiter = self._waiting.waiter(unit)
            if waiter is None:
                continue
            if any(name in again for name, _ in waiter.needs):
                self._units[unit] = None
            else:
                denied.append(unit)
        if denied:
            self._waiting.deny(denied)
