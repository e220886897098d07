"""``NO_LIMIT``: one value, which stays itself on every way."""

from __future__ import annotations

import copy
import pickle

from cloaca_core.values.times.no_limit import NO_LIMIT, NoLimit


def test_it_is_shown_as_it_is_written() -> None:
    assert (repr(NO_LIMIT), f"{NO_LIMIT}") == ("cloaca.NO_LIMIT", "cloaca.NO_LIMIT")


def test_a_copy_is_itself() -> None:
    copies = (copy.copy(NO_LIMIT), copy.deepcopy(NO_LIMIT), pickle.loads(pickle.dumps(NO_LIMIT)))  # noqa: S301 - its own pickle
    assert all(each is NO_LIMIT for each in copies)


def test_it_is_the_only_one_of_its_type() -> None:
    assert list(NoLimit) == [NO_LIMIT]


def test_it_is_neither_none_nor_a_number() -> None:
    others: tuple[object, ...] = (None, 0, "none")
    assert NO_LIMIT not in others
