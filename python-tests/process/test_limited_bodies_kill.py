"""A runner dies whose bodies hold places of a limit: others get them, and none is lost."""

from __future__ import annotations

from collections import Counter

import pytest

from process.fleet import Fleet

TOTAL = 2


def most_at_once(fleet: Fleet, killed: int, at: int) -> int:
    """How many bodies were under way at most, by the ledger; those of the killed process, which
    were held, have ended before line number ``at``.
    """
    now: Counter[int] = Counter()
    most = 0
    for number, entry in enumerate(fleet.ledger()):
        if number == at:
            del now[killed]
        now[entry.pid] += -1 if entry.task_id == "done" else 1
        most = max(most, now.total())
    return most


def check_nothing_is_left(fleet: Fleet) -> None:
    assert fleet.query("SELECT * FROM cloaca_limit_grant") == []
    assert fleet.query("SELECT * FROM cloaca_limit_waiter") == []
    assert fleet.query("SELECT held FROM cloaca_limit_line") == [(0,)]


def test_a_killed_runner_never_lets_a_third_body_begin_and_loses_no_place(fleet: Fleet) -> None:
    victim, other = fleet.start(hold=["busy"]), fleet.start(hold=["busy"])
    runs = [victim.submit("crowded") for _ in range(3)]
    for _ in range(TOTAL):
        victim.hear("holding")
    runs += [other.submit("crowded") for _ in range(2)]

    killed_at = len(fleet.ledger())
    victim.kill()
    for _ in range(TOTAL):
        other.hear("holding")
    other.tell("release", "busy")
    ends = [other.result(run_id) for run_id in runs]

    assert [status for status, _ in ends] == ["Completed"] * 5
    assert most_at_once(fleet, victim.pid, killed_at) == TOTAL
    other.end()
    check_nothing_is_left(fleet)


@pytest.mark.parametrize("point", ["journal.before_commit:2", "journal.after_commit:2"])
def test_a_runner_that_dies_as_a_body_ends_loses_no_place(fleet: Fleet, point: str) -> None:
    """Its place is given back in the commit that records the body, or with the runner."""
    victim = fleet.start(fault=point)
    victim.tell("submit", "crowded", 3)
    victim.exit_code()
    other = fleet.start()
    runs = [run_id for (run_id,) in fleet.query("SELECT id FROM cloaca_run")]

    ends = [other.result(run_id) for run_id in runs]

    assert [status for status, _ in ends] == ["Completed"] * len(runs)
    other.end()
    check_nothing_is_left(fleet)
