"""How many runs a claim takes, alone and beside other runners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from cloaca_core._engine.claim.fair_share import AHEAD, MOST_CLAIMED, FairShare
from cloaca_core._engine.execute.executor import Executor
from cloaca_core._engine.recover.takeover import Takeover

SLOTS = 4


@dataclass
class Surroundings:
    """In place of the executor and the takeover: how busy it is here, and beside us."""

    thread_slots = SLOTS
    backlog: int = 0
    is_crowded: bool = True


@pytest.fixture
def around() -> Surroundings:
    return Surroundings()


@pytest.fixture
def share(around: Surroundings) -> FairShare:
    return FairShare(cast(Takeover, around), cast(Executor, around))


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


def test_they_do_not_grow_beyond_what_a_claim_may_take(share: FairShare) -> None:
    for _ in range(MOST_CLAIMED):
        share.run_ended()

    assert share.most() == MOST_CLAIMED
