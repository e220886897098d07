"""Which items of a map begin and end, by brute force: all outcomes, policies, widths and deaths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Final, get_args

from tables import each_row
from unit.core.features.maps.data import items

from cloaca_core.features.maps.openings import (
    ItemPast,
    Opening,
    begins_anew,
    opening,
    past_of,
)
from cloaca_core.features.maps.plan import ItemPlan
from cloaca_core.features.maps.records import MapRow
from cloaca_core.run.rows import AttemptRow
from cloaca_core.values.option_names import ItemPolicyName
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.rows import attempt

POLICIES: Final[tuple[ItemPolicyName, ...]] = get_args(ItemPolicyName)


@dataclass
class Table:
    """The rows of one map over all its rounds, and what its bodies do: by item, for each round,
    whether its body succeeds.
    """

    outcomes: tuple[tuple[bool, ...], ...]
    policy: ItemPolicyName
    width: int
    opened: MapRow | None = None
    rows: dict[tuple[int, int], AttemptRow] = field(default_factory=dict)
    ran: list[tuple[int, int]] = field(default_factory=list)

    def play(self, number: int, die_after: int | None = None, *, above_ran: bool = False) -> bool:
        """Play round ``number`` up to its end, or up to so many ends of items. Whether it is over;
        each call is that of another owner.
        """
        rows = [self.rows[key] for key in sorted(self.rows)]
        found = self._open(number, rows, above_ran=above_ran)
        past = past_of(rows, found.again)
        plan = ItemPlan(len(self.outcomes), self.policy)
        for item in past.completed:
            plan.complete(item)
        for item, row in past.failed.items():
            plan.fail(item, str(row.error))
        open_items = [(item, resume.attempt) for item, (_, resume) in sorted(past.begun.items())]
        for item, _ in open_items:
            plan.resume(item)
        ends = 0
        while True:
            begun = plan.begin(self.width - len(plan.open))
            assert len(plan.open) <= self.width
            for item in begun:
                first = begins_anew(item, found.again).attempt
                assert (item, first) not in self.rows, "an attempt has a number of its own"
                open_items.append((item, first))
                self._mark(item, first)
            if plan.is_over:
                self.completed, self.failed, self.first = plan.completed, plan.failed, plan.first
                self.has_failed = plan.has_failed
                return True
            if ends == die_after:
                return False
            self._end(plan, number, *open_items.pop())
            ends += 1

    def _open(self, number: int, rows: list[AttemptRow], *, above_ran: bool) -> Opening:
        known = items(len(self.outcomes))
        found = opening("m", known, number + 1, "v", self.opened, rows, above_ran=above_ran)
        if found.is_new:
            again = None if not found.again else str(dict(found.again)).replace("'", "")
            text = (
                None
                if again is None
                else "{" + ",".join(f'"{i}":{n}' for i, n in found.again.items()) + "}"
            )
            self.opened = MapRow(
                "r",
                "m",
                number + 1,
                1,
                "v",
                len(self.outcomes),
                known.digest,
                found.decision,
                None,
                text,
            )
        return found

    def _mark(self, item: int, number: int) -> None:
        mark = attempt("r", "m", number, status=TaskStatus.RUNNING)
        self.rows[item, number] = mark._replace(item=item)

    def _end(self, plan: ItemPlan, number: int, item: int, begun: int) -> None:
        self.ran.append((number, item))
        if self.outcomes[item][number]:
            self.rows[item, begun] = attempt("r", "m", begun)._replace(item=item)
            plan.complete(item)
        else:
            failed = attempt("r", "m", begun, status=TaskStatus.FAILED, error="no")
            self.rows[item, begun] = failed._replace(item=item)
            plan.fail(item, "ValueError: no")


def stories(rounds: int) -> Iterator[Table]:
    for count, policy, width in product((0, 1, 2, 3), POLICIES, (1, 2)):
        for outcomes in product(product((True, False), repeat=rounds), repeat=count):
            yield Table(outcomes, policy, width)


def expected_failures(table: Table, number: int) -> list[int]:
    """The items that have failed at the end of a round, if all have run."""
    return [item for item, of in enumerate(table.outcomes) if not any(of[: number + 1])]


def test_each_item_ends_once_whoever_dies_when() -> None:
    for table in stories(1):
        deaths = len(table.outcomes) + 1
        for dies in range(deaths):
            again = Table(table.outcomes, table.policy, table.width)
            while not again.play(0, dies or None) and dies:
                pass
            if not dies:
                assert again.play(0)
            _check_first_round(again)


def _check_first_round(table: Table) -> None:
    ended = [item for _, item in table.ran]
    assert len(ended) == len(set(ended)), "no body that has ended runs again"
    failures = expected_failures(table, 0)
    if table.policy != "stop" or not failures:
        assert sorted(ended) == list(range(len(table.outcomes)))
        assert (table.completed, table.failed) == (len(ended) - len(failures), len(failures))
        assert table.first is None if not failures else table.first is not None
        if table.first is not None:
            assert table.first.index == failures[0]
    else:
        assert table.failed >= 1
        first = next(i for i, item in enumerate(ended) if item in failures)
        assert len(ended) - first <= table.width, "only those under way end after a failure"
    assert table.has_failed is (bool(failures) and table.policy != "collect")


@each_row("above_ran", [False, True])
def test_a_new_round_runs_what_has_not_completed_or_all(above_ran: bool) -> None:
    for table in stories(2):
        table.play(0)
        before = {item for number, item in table.ran if table.outcomes[item][number]}
        for dies in range(1, len(table.outcomes) + 1):
            if table.play(1, dies, above_ran=above_ran):
                break
        else:
            assert table.play(1, above_ran=above_ran)
        second = [item for number, item in table.ran if number == 1]
        assert len(second) == len(set(second))
        wanted = set(range(len(table.outcomes))) - (set() if above_ran else before)
        if table.policy == "stop":
            assert set(second) <= wanted
        else:
            assert set(second) == wanted
        completed = {
            i for i, of in enumerate(table.outcomes) if of[1] or (not above_ran and i in before)
        }
        if table.policy != "stop":
            assert table.completed == len(completed)


def of(*ended: int) -> list[AttemptRow]:
    """The rows of items that have completed in their first attempts."""
    return [attempt("r", "m", 1)._replace(item=item) for item in ended]


def test_items_that_a_map_no_longer_has_are_history() -> None:
    rows = of(0, 1, 2)
    earlier = MapRow("r", "m", 1, 1, "v", 3, "other", 1, None, None)

    found = opening("m", items(1), 2, "v", earlier, rows, above_ran=False)

    assert found == Opening(2, {0: 2, 1: 2, 2: 2}, is_new=True)
    assert past_of(rows, found.again) == ItemPast({}, {}, {})


def test_an_item_that_has_not_begun_in_an_opening_keeps_its_number_for_the_next() -> None:
    """Its earlier attempts are not known to an owner that opens the map twice."""
    known = items(2)
    earlier = MapRow("r", "m", 2, 1, "v", 2, known.digest, 1, None, '{"0":2,"1":3}')
    ended = [row._replace(attempt=2) for row in of(0)]

    found = opening("m", known, 3, "v", earlier, ended, above_ran=False)

    assert found == Opening(1, {1: 3}, is_new=True)


def test_of_ended_items_the_chosen_ones_run_again() -> None:
    known = items(4)
    earlier = MapRow("r", "m", 1, 1, "v", 4, known.digest, 1, None, None)
    failed = attempt("r", "m", 1, status=TaskStatus.FAILED, error="no")
    rows = [*of(0, 1), failed._replace(item=2), failed._replace(item=3, retry_at=9)]

    found = opening("m", known, 2, "v", earlier, rows, above_ran=False, chosen={1})

    assert found.again == {1: 2, 3: 2}
    past = past_of(rows, found.again)
    assert (set(past.completed), set(past.failed), past.begun) == ({0}, {2}, {})
    found = opening("m", known, 2, "v", earlier, rows, above_ran=True, chosen={1})
    assert found.again == {0: 2, 1: 2, 2: 2, 3: 2}


def test_a_failure_of_before_stops_no_map() -> None:
    plan = ItemPlan(2, "stop")
    plan.fail(0, "E: no", is_earlier=True)

    assert (plan.begin(9), plan.stopped, plan.has_failed) == ([1], False, True)
    plan.fail(1, "E: no")
    assert plan.stopped
