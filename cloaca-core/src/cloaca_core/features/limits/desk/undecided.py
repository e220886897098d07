"""Which units that have asked for places are known to wait."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core.features.limits.desk.waiting import Waiting
    from cloaca_core.features.limits.records import Given, Unit


class Undecided:
    """The units that have asked, and at whose limits another transaction has yet to look: one
    transaction gives so many places at most.
    """

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._units: list[Unit] = []

    def answered(self, asked: Iterable[Unit], given: Given, unasked: Container[Unit]) -> None:
        """The answer to units that have asked is here: deny those that it leaves waiting. Those
        that are ``unasked`` by now ask once more.
        """
        units = dict.fromkeys([*self._units, *asked])
        self._units = []
        denied: list[Unit] = []
        for unit in units:
            waiter = self._waiting.waiter(unit)
            if waiter is None or unit in unasked:
                continue
            is_decided = given.again.isdisjoint([name for name, _ in waiter.needs])
            (denied if is_decided else self._units).append(unit)
        if denied:
            self._waiting.deny(denied)
