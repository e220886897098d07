"""A runner dies that has runs with places of a limit, or that has just given one: the run keeps its
place until it has ended, and the next run begins.
"""

from __future__ import annotations

import pytest

from process.fleet import Fleet
from process.test_limited_bodies_kill import check_nothing_is_left, most_at_once


@pytest.mark.parametrize(
    "point", ["run.before_end", "run.after_end", "run.after_park", "claim.after_commit:2"]
)
def test_a_runner_that_dies_on_the_way_of_a_place_loses_none(fleet: Fleet, point: str) -> None:
    """After an end it has given the place to a run without an owner, which it has not made
    claimable; after a claim it has not taken the place of the claimed run.
    """
    runs: list[str] = []
    while not runs:  # a claim that finds nothing counts, too: it may die before it has submitted
        victim = fleet.start(fault=point)
        victim.tell("submit", "nightly", 3)
        victim.exit_code()
        runs = [run_id for (run_id,) in fleet.query("SELECT id FROM cloaca_run")]

    other = fleet.start()
    assert {other.result(run_id)[0] for run_id in runs} == {"Completed"}
    other.end()
    check_nothing_is_left(fleet)


def test_a_run_keeps_its_place_when_its_runner_dies(fleet: Fleet) -> None:
    victim, other = fleet.start(hold=["busy"]), fleet.start(hold=["busy"])
    first = victim.submit("nightly")
    victim.hear("holding")
    second = other.submit("nightly")

    killed_at = len(fleet.ledger())
    victim.kill()
    other.hear("holding")
    other.tell("release", "busy")

    assert [other.result(each)[0] for each in (first, second)] == ["Completed"] * 2
    assert fleet.ledger()[killed_at].run_id == first
    assert most_at_once(fleet, victim.pid, killed_at) == 1
    other.end()
    check_nothing_is_left(fleet)


def test_a_run_that_is_cancelled_while_its_runner_is_gone_frees_its_place(fleet: Fleet) -> None:
    victim = fleet.start(hold=["busy"])
    first = victim.submit("nightly")
    victim.hear("holding")
    second = victim.submit("nightly")
    victim.freeze()
    other = fleet.start()
    assert other.steer("cancel", first)[0] in {"Cancelling", "Cancelled"}

    victim.kill()

    assert other.result(second)[0] == "Completed"
    assert other.result(first)[0] == "Cancelled"
    other.end()
    check_nothing_is_left(fleet)
