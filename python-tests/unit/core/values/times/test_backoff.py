"""Pauses double up to a bound, and begin anew once it has worked."""

from __future__ import annotations

import pytest
from model.virtual_time import the_loop

from cloaca_core.values.times.backoff import Backoff


def pauses(backoff: Backoff, count: int) -> list[float]:
    return [backoff.next() for _ in range(count)]


def test_they_double_up_to_a_bound() -> None:
    assert pauses(Backoff(1, 5), 5) == [1, 2, 4, 5, 5]


def test_they_may_grow_by_another_factor() -> None:
    assert pauses(Backoff(4, 10, 1.5), 4) == [4, 6, 9, 10]


def test_none_is_longer_than_the_bound() -> None:
    assert pauses(Backoff(10, 3), 2) == [3, 3]


def test_the_next_one_is_known_before_it_is_made() -> None:
    backoff = Backoff(1, 5)
    backoff.next()

    assert (backoff.pause, backoff.next()) == (2, 2)


def test_they_begin_anew_when_it_has_worked() -> None:
    backoff = Backoff(1, 5)
    pauses(backoff, 4)
    backoff.reset()

    assert pauses(backoff, 2) == [1, 2]


@pytest.mark.virtual_time
async def test_a_wait_takes_the_next_pause() -> None:
    backoff = Backoff(60, 3600)
    begun = the_loop().time()
    await backoff.wait()
    await backoff.wait()

    assert the_loop().time() - begun == 60 + 120
