"""Limits as plain Python: all waiters in one list, looked at from the beginning for each place.

What the engine decides from a few rows must be what follows from all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from cloaca_core.features.limits.records import ALL_KEYS, Grant, Need, Unit, Waiter
from cloaca_core.values.limits.rates import Rate
from cloaca_core.values.limits.settings import LimitSettings


class Bucket:
    """A rate as a bucket that fills evenly, up to a burst."""

    def __init__(self) -> None:
        self.level: Fraction | None = None
        self.at = 0

    def has_room(self, rate: Rate, now: int) -> bool:
        """Whether one more may come now."""
        return self._level(rate, now) >= 1

    def take(self, rate: Rate, now: int) -> None:
        """One more comes now."""
        self.level, self.at = self._level(rate, now) - 1, now

    def _level(self, rate: Rate, now: int) -> Fraction:
        if self.level is None:
            return Fraction(rate.burst)
        refilled = Fraction(now - self.at, -(-rate.period_us // rate.count))
        return min(Fraction(rate.burst), self.level + refilled)


class PlainLimits:
    """Who holds places and who waits. Settings may change, but for rates."""

    def __init__(self, settings: dict[str, LimitSettings]) -> None:
        self.settings = settings
        self.waiting: dict[Unit, Waiter] = {}
        self.held: list[tuple[Need, ...]] = []
        self._buckets: dict[Need, Bucket] = {}
        self._given: Counter[str] = Counter()

    def release(self, needs: tuple[Need, ...]) -> None:
        """A body has ended."""
        self.held.remove(needs)

    def ask(self, waiter: Waiter) -> None:
        """A body wants places from now on."""
        self.waiting[waiter.unit] = waiter

    def give(self, now: int) -> list[Unit]:
        """Give places until no waiter can have one, in order."""
        given: list[Unit] = []
        while (first := self._first(now)) is not None:
            given.append(first.unit)
            self._take(first, now)
        return given

    def take(self, unit: Unit, now: int) -> None:
        """One of these has got its places."""
        waiter = self.waiting[unit]
        assert self.may_begin(waiter, now)
        self._take(waiter, now)

    def may_begin(self, waiter: Waiter, now: int) -> bool:
        """Whether all its needs have a place now."""
        return all(self._has_room(need, now) for need in _all(waiter.needs))

    def count(self, need: Need) -> int:
        """The number of places that are held of a limit or of a key."""
        return sum(need in _all(needs) for needs in self.held)

    def _first(self, now: int) -> Waiter | None:
        fit = [each for each in self.waiting.values() if self.may_begin(each, now)]
        firsts = []
        for name in {each.needs[0][0] for each in fit}:
            own = [each for each in fit if each.needs[0][0] == name]
            if self._given[name] % 10 == 9:
                firsts.append(min(own, key=lambda each: (each.since, each.unit)))
            else:
                firsts.append(min(own, key=_order))
        return min(firsts, key=_order, default=None)

    def _take(self, waiter: Waiter, now: int) -> None:
        for need in _all(waiter.needs):
            if (rate := self._rate(need)) is not None:
                self._buckets.setdefault(need, Bucket()).take(rate, now)
        for name in {name for name, _ in waiter.needs}:
            self._given[name] += 1
        self.held.append(waiter.needs)
        if waiter.units > 1:
            since = max(now, waiter.since)
            self.waiting[waiter.unit] = waiter._replace(units=waiter.units - 1, since=since)
        else:
            del self.waiting[waiter.unit]

    def _has_room(self, need: Need, now: int) -> bool:
        settings = self.settings[need[0]]
        most = settings.total if need[1] == ALL_KEYS else settings.per_key
        if most is not None and self.count(need) >= most:
            return False
        rate = self._rate(need)
        return rate is None or self._buckets.setdefault(need, Bucket()).has_room(rate, now)

    def _rate(self, need: Need) -> Rate | None:
        settings = self.settings[need[0]]
        return settings.rate if need[1] == ALL_KEYS else settings.key_rate


def units_of(grants: Sequence[Grant]) -> list[Unit]:
    """What has got places, in this order."""
    return [(each.run_id, each.task_id, each.item) for each in grants]


def _order(waiter: Waiter) -> tuple[int, int, Unit]:
    return waiter.rank, waiter.since, waiter.unit


def _all(needs: tuple[Need, ...]) -> set[Need]:
    return set(needs) | {(name, ALL_KEYS) for name, _ in needs}
