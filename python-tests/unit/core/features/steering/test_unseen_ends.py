"""Waiters are told once of ends that this runner has not seen."""

from __future__ import annotations

import pytest

from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.steering.unseen_ends import UnseenEnds


class Waiters:
    """Counts how often it was told; ``fails`` makes the next time fail."""

    def __init__(self) -> None:
        self.told = 0
        self.fails = False

    async def tell(self) -> None:
        if self.fails:
            self.fails = False
            raise StoreUnavailableError("the database is away")
        self.told += 1


async def test_waiters_are_told_once_if_there_may_be_an_end() -> None:
    waiters = Waiters()
    ends = UnseenEnds(waiters.tell)
    await ends.tell()
    assert waiters.told == 0
    ends.note()
    ends.note()
    await ends.tell()
    await ends.tell()
    assert waiters.told == 1


async def test_waiters_that_could_not_be_told_are_told_by_the_next_call() -> None:
    waiters = Waiters()
    ends = UnseenEnds(waiters.tell)
    ends.note()
    waiters.fails = True
    with pytest.raises(StoreUnavailableError):
        await ends.tell()
    await ends.tell()
    assert waiters.told == 1
