"""For how long a time limit has stood still, and what of that the next owner is told."""

from __future__ import annotations

import pytest
from model.runs import active_run, graph_of

from cloaca_core.run.deadline import Deadline
from cloaca_core.run.limit_clock import LimitClock
from cloaca_core.values.times.instants import SECOND

START = 1_000_000 * SECOND
GRAPH = graph_of(a={})


def told(*facts: tuple[str, int], stood_still: int = 0) -> LimitClock:
    """A clock that was told these facts at so many µs after the start of its run."""
    clock = LimitClock(stood_still)
    for fact, at in facts:
        getattr(clock, fact)(START + at)
    return clock


@pytest.mark.parametrize(
    ("facts", "stood_still", "rested"),
    [
        ([], 0, 0),
        ([("rest", 30), ("go_on", 70)], 40, 40),
        ([("stop", 30), ("go_on", 70)], 40, 0),  # the table counts a pause
        ([("rest", 30), ("go_on", 70), ("rest", 80), ("go_on", 85)], 45, 45),
        ([("rest", 30), ("stop", 50), ("go_on", 90)], 60, 20),
        ([("stop", 30), ("go_on", 70), ("go_on", 90)], 40, 0),
        # the clock was set back meanwhile
        ([("rest", 30), ("go_on", 10)], 0, 0),
        ([("stop", 30), ("go_on", 10)], 0, 0),
    ],
)
def test_it_counts_rests_and_pauses_of_which_the_table_learns_only_the_rests(
    facts: list[tuple[str, int]], stood_still: int, rested: int
) -> None:
    clock = told(*facts)

    assert (clock.stood_still, clock.rested(START + 900)) == (stood_still, rested)


@pytest.mark.parametrize(("now", "rested"), [(130, 70), (100, 40), (20, 40)])
def test_a_rest_that_lasts_counts_until_now(now: int, rested: int) -> None:
    clock = told(("rest", 20), ("go_on", 60), ("rest", 100))

    assert clock.rested(START + now) == rested


def test_its_deadline_and_what_is_spent_leave_out_the_time_in_which_it_stood_still() -> None:
    row = active_run(GRAPH, started_at=START).row
    clock = told(("rest", 2 * SECOND), ("go_on", 5 * SECOND), stood_still=SECOND)
    clock.set_deadline(row, None, 10.0)

    assert clock.deadline == Deadline(START + 14 * SECOND, 10.0)
    assert clock.spent(row, START + 9 * SECOND) == 5.0
    assert clock.spent(row, START + 3 * SECOND) == 0.0  # the clock was set back
    assert clock.spent(row._replace(started_at=None), START + 9 * SECOND) == 0.0
