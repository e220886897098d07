"""How many rows one transaction deletes."""

from __future__ import annotations

from collections.abc import Sequence

from tables import each_row

from cloaca_core.features.upkeep.batches import (
    FEWEST_ROWS,
    FIRST_ROWS,
    LONGEST_REST_S,
    MOST_ROWS,
    REST,
    Deletion,
    Pace,
    Part,
    Whole,
    next_deletion,
)
from cloaca_core.features.upkeep.records import DoomedRun


def doomed(*rows: int) -> list[DoomedRun]:
    return [DoomedRun(name, each) for name, each in zip("abcd", rows, strict=False)]


@each_row(
    ("found", "expected"),
    [
        ([], None),
        (doomed(10), Whole(("a",))),
        (doomed(4, 6, 1), Whole(("a", "b"))),
        (doomed(4, 7, 1), Whole(("a",))),  # in their order: no run waits for ever
        (doomed(11, 1), Part("a", 2)),
        (doomed(11), Part("a", 2)),  # of each of four kinds: not more than 10 in all
    ],
)
def test_whole_runs_go_up_to_the_bound(
    found: Sequence[DoomedRun], expected: Deletion | None
) -> None:
    assert next_deletion(found, 10) == expected


def test_a_part_has_at_least_one_row() -> None:
    assert next_deletion(doomed(3), 2) == Part("a", 1)


def test_quick_transactions_grow_and_slow_ones_shrink() -> None:
    pace = Pace()
    sizes = [pace.rows]
    for seconds in (0.01, 0.07, 0.01, 0.01, 0.2):
        pace.rest_after(seconds)
        sizes.append(pace.rows)

    assert sizes == [FIRST_ROWS, 500, 500, MOST_ROWS, MOST_ROWS, 500]


def test_they_never_shrink_to_nothing() -> None:
    pace = Pace()
    for _ in range(20):
        pace.rest_after(9)
    assert pace.rows == FEWEST_ROWS


def test_pauses_are_as_long_as_transactions_demand() -> None:
    assert Pace().rest_after(0.01) == 0.01 * REST
    assert Pace().rest_after(60) == LONGEST_REST_S
