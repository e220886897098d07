"""For how long a time limit has stood still, and what of that the next owner is told."""

from __future__ import annotations

from typing import Any

from model.runs import active_run, graph_of
from tables import each_row

from cloaca_core.run.rows import RunRow
from cloaca_core.run.time_limit import Deadline, LimitClock, deadline_of
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.no_limit import NO_LIMIT
from cloaca_core.values.times.time_limits import TimeLimit

GRAPH = graph_of(a={})
START = 1_000_000 * SECOND
NONE = -1


def run(**fields: Any) -> RunRow:
    return active_run(GRAPH, started_at=START, **fields).row


@each_row(
    ("seconds", "given", "workflow", "runner"),
    [
        (3600, None, None, 3600),
        (60.0, None, 60.0, 3600),
        (5.0, 5_000_000, 60.0, 3600),
        (None, None, None, None),
        (None, None, NO_LIMIT, 3600),
        (None, NONE, 60.0, 3600),
        (60.0, None, 60.0, None),
        (5.0, 5_000_000, NO_LIMIT, None),
        (7200.0, 7_200_000_000, None, 3600),  # a longer one as well
    ],
)
def test_the_limit_given_with_the_run_goes_before_its_workflows_and_the_runners(
    seconds: float | None, given: int | None, workflow: TimeLimit | None, runner: float | None
) -> None:
    deadline = deadline_of(run(time_limit=given), 0, workflow, runner)

    if seconds is None:
        assert deadline is None
    else:
        assert deadline == Deadline(START + round(seconds * 1e6), seconds)


@each_row(
    ("expected", "given", "parent"),
    [
        (Deadline(START + 5_000_000, 5.0), 5_000_000, START + 9_000_000),
        (Deadline(START + 5_000_000, 5.0), 5_000_000, START + 5_000_000),
        (Deadline(START + 2_500_000, 2.5, inherited=True), 5_000_000, START + 2_500_000),
        (Deadline(START + 9_000_000, 9.0, inherited=True), NONE, START + 9_000_000),
        # it was over before this run started
        (Deadline(START - 5, 0.0, inherited=True), 5_000_000, START - 5),
    ],
)
def test_that_of_the_parent_holds_if_it_is_earlier(
    expected: Deadline, given: int, parent: int
) -> None:
    assert deadline_of(run(time_limit=given, deadline_at=parent), 0, None, 3600) == expected


@each_row(
    ("expected", "given"),
    [
        (Deadline(START + 5_700_000, 5.0), 5_000_000),
        # the row was read when 0.3 of these 0.7 s had been added to the parent's deadline
        (Deadline(START + 6_400_000, 5.7, inherited=True), NONE),
    ],
)
def test_time_in_which_the_run_was_paused_does_not_count(expected: Deadline, given: int) -> None:
    row = run(time_limit=given, stood_still=300_000, deadline_at=START + 6_000_000)

    assert deadline_of(row, 700_000, None, 3600) == expected


def test_a_run_that_has_not_started_has_none() -> None:
    row = run()._replace(started_at=None)

    assert deadline_of(row, 0, 60.0, 3600) is None


def told(*facts: tuple[str, int], stood_still: int = 0) -> LimitClock:
    """A clock that was told these facts at so many µs after the start of its run."""
    clock = LimitClock(stood_still)
    for fact, at in facts:
        getattr(clock, fact)(START + at)
    return clock


@each_row(
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


@each_row(("now", "rested"), [(130, 70), (100, 40), (20, 40)])
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
