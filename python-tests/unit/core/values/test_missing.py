"""``MISSING``: a mark that is no value."""

from __future__ import annotations

import copy
import pickle

from cloaca_core.values.missing import MISSING, Missing


def test_there_is_one_in_every_copy() -> None:
    assert list(Missing) == [MISSING]
    assert copy.deepcopy(MISSING) is MISSING
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING  # noqa: S301 - made here


def test_it_shows_how_it_is_written() -> None:
    assert repr(MISSING) == str(MISSING) == "cloaca.MISSING"
