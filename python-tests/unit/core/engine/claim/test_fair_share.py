"""How many runs a claim takes, alone and beside other runners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from cloaca_core.engine.claim.fair_share import AHEAD, MOST_CLAIMED, FairShare
from cloaca_core.engine.execute.executor import Executor
from cloaca_core.engine.recover.takeover import Takeover
from cloaca_core.engine.subjects import Subjects

SLOTS = 4


@dataclass
class Surroundings:
    """In place of the executor and the takeover: how busy it is here, and beside us."""

    thread_slots = SLOTS
    free_slots: int = SLOTS
    backlog: int = 0
    is_crowded: bool = True
    freed: int = 0

    def free(self) -> None:
        self.freed += 1


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


@pytest.fixture
def share(around: Surroundings) -> FairShare:
    takeover, executor = cast(Takeover, around), cast(Executor, around)
    return FairShare(takeover, executor, lambda: around.backlog, around.free, Subjects())


def test_a_runner_alone_takes_as_many_as_a_claim_may(
    share: FairShare, around: Surroundings
) -> None:
    around.is_crowded = False
    around.backlog = 10_000

    assert share.most() == MOST_CLAIMED


@pytest.mark.parametrize(
    ("backlog", "most"),
    [
        (0, AHEAD * SLOTS),
        (AHEAD * SLOTS - 1, 1),
        (AHEAD * SLOTS + 3, -3),  # enough bodies wait already
    ],
)
def test_beside_others_it_takes_what_its_slots_need_soon(
    share: FairShare, around: Surroundings, backlog: int, most: int
) -> None:
    around.backlog = backlog

    assert share.most() == most


def test_runs_that_end_quickly_let_claims_grow_until_the_next_one(share: FairShare) -> None:
    for _ in range(5):
        share.run_ended()
    grown = share.most()
    share.claim_begins()

    assert (grown, share.most()) == (AHEAD * (SLOTS + 5), AHEAD * SLOTS)


def test_they_do_not_grow_by_runs_in_whose_place_others_have_begun(share: FairShare) -> None:
    for _ in range(3):
        share.run_ended()
    share.begins_unclaimed()
    smaller = share.most()
    for _ in range(9):
        share.begins_unclaimed()

    assert (smaller, share.most()) == (AHEAD * (SLOTS + 2), AHEAD * SLOTS)


def test_they_do_not_grow_beyond_what_a_claim_may_take(share: FairShare) -> None:
    for _ in range(MOST_CLAIMED):
        share.run_ended()

    assert share.most() == MOST_CLAIMED


@pytest.mark.parametrize(
    ("free", "backlog", "most"),
    [
        (SLOTS, 0, SLOTS),
        (1, 0, 1),
        (0, 0, 0),
        (1, 1, 0),  # it would take back what it has just given
    ],
)
def test_beside_one_that_is_idle_it_takes_what_begins_at_once(
    share: FairShare, around: Surroundings, free: int, backlog: int, most: int
) -> None:
    around.free_slots, around.backlog = free, backlog
    share.work_requested = True

    assert share.most() == most


@pytest.mark.parametrize(("is_crowded", "told"), [(True, 1), (False, 0)])
def test_a_free_slot_is_told_of_beside_others_alone(
    share: FairShare, around: Surroundings, is_crowded: bool, told: int
) -> None:
    around.is_crowded = is_crowded
    share.run_ended()

    assert around.freed == told
