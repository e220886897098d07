"""Places of limits are given as plain limits give them, from few rows."""

from __future__ import annotations

import random
import sys
from itertools import product

import pytest
from model.memory_limits import LimitTable
from model.plain_limits import PlainLimits, units_of
from tables import each_row

from cloaca_core.features.limits.giving import Decision, Wanted, decide
from cloaca_core.features.limits.records import NEVER, Line, Need, Waiter
from cloaca_core.features.limits.waiters_read import Found
from cloaca_core.values.limits.rates import Rate
from cloaca_core.values.limits.settings import LimitSettings

SECOND = 1_000_000
NOW = 1_000 * SECOND


class Both:
    """The rows and the plain limits, side by side."""

    def __init__(self, limits: dict[str, LimitSettings]) -> None:
        self.limits = limits
        self.plain = PlainLimits(limits)
        self.table = LimitTable()
        self.now = NOW
        self.number = 0

    def asks(self, *asked: tuple[tuple[Need, ...], int, int]) -> None:
        """Bodies ask for places: their needs, priorities, and how many of each."""
        requests = []
        for needs, priority, units in asked:
            self.number += 1
            run_id = f"run{self.number:05}"
            requests.append(Waiter(run_id, "task", -1, "me", -priority, self.now, units, needs))
        for each in requests:
            self.plain.ask(each)
        self.decides(Wanted("me", self.now, 0, requests))

    def ends(self, *places: int) -> None:
        """The bodies at these places, modulo their number, end."""
        freed: list[tuple[str, int]] = []
        for place in places:
            if left := sorted(self.table.grants.keys() - set(freed)):
                freed.append(left[place % len(left)])
                self.plain.release(self.table.grants[freed[-1]].needs)
        self.decides(Wanted("me", self.now, 0), freed)

    def leaves(self, place: int) -> None:
        """A waiter is cancelled."""
        if units := sorted(self.plain.waiting):
            unit = units[place % len(units)]
            del self.plain.waiting[unit]
            self.table.withdraw(unit)

    def waits(self, time: int) -> None:
        """Time passes; then the free places are given."""
        self.now += time
        self.decides(Wanted("me", self.now, 0))

    def decides(self, wanted: Wanted, freed: list[tuple[str, int]] | None = None) -> None:
        """Both give the same places in the same order."""
        found = self.table.transact(wanted, self.limits, freed or ())
        given = units_of(found.grants)
        while found.again:
            found = self.table.transact(Wanted("me", self.now, 0), self.limits)
            given += units_of(found.grants)
        if len(self.limits) == 1:
            assert given == self.plain.give(self.now)
        else:  # who comes first is a matter of the lines in which they stand
            for unit in given:
                self.plain.take(unit, self.now)
            assert not self.plain.give(self.now)
        self.check()

    def check(self) -> None:
        """The rows say what is so."""
        assert sorted(g.needs for g in self.table.grants.values()) == sorted(self.plain.held)
        waiting = {waiter.unit: waiter for waiter, _ in self.table.waiters.values()}
        assert waiting == self.plain.waiting
        for need, line in self.table.lines.items():
            assert line.held == self.plain.count(need)


SETTINGS = {
    "total": LimitSettings(total=3),
    "per key": LimitSettings(per_key=2),
    "total and per key": LimitSettings(total=5, per_key=2),
    "rate": LimitSettings(rate=Rate(3, SECOND, 2)),
    "rate of keys": LimitSettings(key_rate=Rate(2, SECOND, 1)),
    "all": LimitSettings(6, 2, Rate(7, SECOND, 4), Rate(3, SECOND, 2)),
    "a place a burst": LimitSettings(total=2, rate=Rate(1, 7, 1)),
}


def chance_of(seed: int) -> random.Random:
    """Draws that can be repeated."""
    return random.Random(seed)  # noqa: S311 - no secret


def needs(chance: random.Random, names: list[str]) -> tuple[Need, ...]:
    """Needs of one or several of these limits, with keys."""
    chosen = sorted(chance.sample(names, chance.randint(1, len(names))))
    return tuple((name, chance.choice(["", *"12345678"])) for name in chosen)


def needs_of(*names: str) -> tuple[Need, ...]:
    return tuple((name, "") for name in names)


def ask(
    table: LimitTable, limits: dict[str, LimitSettings], run_id: str, needs: tuple[Need, ...]
) -> None:
    """A body asks after all others."""
    number = len(table.waiters) + len(table.grants)
    waiter = Waiter(f"{run_id}{number:02}", "task", -1, "me", 0, NOW + number, 1, needs)
    table.transact(Wanted("me", NOW, 0, [waiter]), limits)


def tell(both: Both, chance: random.Random, acts: int) -> None:
    """Let bodies ask, end and leave, and time pass."""
    names = list(both.limits)
    for _ in range(acts):
        match chance.choice(["asks", "asks", "ends", "ends", "leaves", "waits"]):
            case "asks":
                number = chance.choice([1, 2, 12])
                units = [chance.choice([1, 1, 1, 4]) for _ in range(number)]
                both.asks(
                    *[(needs(chance, names), chance.choice([0, 0, 5]), many) for many in units]
                )
            case "ends":
                both.ends(*[chance.randrange(100) for _ in range(chance.choice([1, 1, 4]))])
            case "leaves":
                both.leaves(chance.randrange(100))
            case _:
                both.waits(chance.randrange(SECOND))


@each_row(("name", "seed"), product(SETTINGS, range(12)))
def test_one_limit_gives_what_plain_limits_give(name: str, seed: int) -> None:
    tell(Both({"api": SETTINGS[name]}), chance_of(seed), 40)


@each_row("seed", range(12))
def test_several_limits_are_taken_together_or_not_at_all(seed: int) -> None:
    chance = chance_of(seed)
    names = chance.sample(sorted(SETTINGS), 3)
    tell(Both({name: SETTINGS[name] for name in names}), chance, 40)


def test_a_waiter_for_other_limits_keeps_standing() -> None:
    """A transaction that has not locked all limits leaves it to another one."""
    both, full = needs_of("api", "gpu"), LimitSettings(total=1)
    table, limits = LimitTable(), {"api": full, "gpu": full}
    ask(table, limits, "a", needs_of("api"))
    ask(table, limits, "b", both)

    decision = table.transact(Wanted("me", NOW, 0), {"api": full}, [("api", 1)])

    assert (decision.again, units_of(decision.grants)) == (frozenset(limits), [])
    decision = table.transact(Wanted("me", NOW, 0), limits)
    assert units_of(decision.grants) == [("b01", "task", -1)]


def test_a_line_that_is_read_besides_does_not_hide_others() -> None:
    """The key of a place that is given back has another one, and comes after all that are read."""
    limits = {"api": LimitSettings(per_key=2, rate=Rate(10, SECOND, 6))}
    table = LimitTable()
    for key in ["z", *"uvwxy", *"bcdefgh", "z"]:
        ask(table, limits, key, (("api", key),))

    later = Wanted("me", NOW + SECOND, 0)
    decision = table.transact(later, limits, [("api", 1)])

    assert [run_id[0] for run_id, *_ in units_of(decision.grants)] == [*"bcdefg"]


def test_own_waiters_come_first_only_among_those_of_their_priority() -> None:
    table, limits = LimitTable(), {"api": LimitSettings(total=1)}
    ask(table, limits, "a", needs_of("api"))
    for run_id, runner_id, rank in (("other", "they", 0), ("own", "me", 9)):
        waiter = Waiter(run_id, "task", -1, runner_id, rank, NOW, 1, needs_of("api"))
        table.transact(Wanted(runner_id, NOW, 0, [waiter]), limits)

    decision = table.transact(Wanted("me", NOW, SECOND), limits, [("api", 1)])

    assert units_of(decision.grants) == [("other", "task", -1)]


def test_all_places_stay_with_their_runner_where_every_other_waiter_is_of_another_one() -> None:
    """The other runner would have to hear of them first, and they would be idle meanwhile."""
    table, limits = LimitTable(), {"api": LimitSettings(total=8)}
    for each in range(8):
        ask(table, limits, f"a{each}", needs_of("api"))
    for each in range(40):
        runner_id = ("they", "me")[each % 2]
        waiter = Waiter(f"b{each}", "task", -1, runner_id, 0, NOW + each, 1, needs_of("api"))
        table.transact(Wanted(runner_id, NOW, 0, [waiter]), limits)
    table.lines["api", ""] = table.lines["api", ""]._replace(given=10)  # the tenth is far

    held = [("api", number) for number in range(1, 9)]
    decision = table.transact(Wanted("me", NOW, SECOND), limits, held)

    assert [each.runner_id for each in decision.grants] == ["me"] * 8


def test_the_waiters_for_many_places_are_read_at_once_in_both_orders() -> None:
    """Each read is a round trip. Those that have got places are in the rows until the end."""
    line = Line("api", "", 30, given=1_000, opens_at=NEVER, first_rank=0, first_at=0, oldest_at=0)
    waiters = [
        Waiter(f"run{each:05}", "task", -1, "me", 0, each, 1, needs_of("api"))
        for each in range(100)
    ]
    wanted = Wanted("me", NOW, SECOND, released=[("api", "")] * 30)
    deciding = decide(wanted, {"api": LimitSettings(total=30)}, [line])

    reads = next(deciding)
    assert [each.by_age for each in reads.waiters] == [True, False]
    with pytest.raises(StopIteration) as end:
        deciding.send(Found((), [[(line, waiters[: each.depth])] for each in reads.waiters]))
    assert len(end.value.value.grants) == 30


def calls_for(number: int) -> int:
    """The Python calls of a decision on so many bodies, half of which get places."""
    asked = [
        Waiter(f"run{each:05}", "task", -1, "me", 0, NOW + each, 1, needs_of("api"))
        for each in range(number)
    ]
    limits = {"api": LimitSettings(total=number // 2)}
    deciding = decide(Wanted("me", NOW, 0, asked), limits, [])
    next(deciding)
    calls = 0

    def count(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        deciding.send(Found())
    except StopIteration as end:
        decision: Decision = end.value
    finally:
        sys.setprofile(None)
    assert len(decision.grants) == number // 2
    return calls


def test_a_decision_on_many_costs_no_more_for_each() -> None:
    assert calls_for(400) <= 4.5 * calls_for(100)
