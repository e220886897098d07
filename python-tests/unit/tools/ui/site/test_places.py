"""Streams and exports are counted while they are under way."""

from __future__ import annotations

import pytest

from cloaca_tools.ui.site.places import Places
from cloaca_tools.ui.refusals import RefusedError


def places(most: int, each: int) -> Places:
    """Places of which there are so many."""
    return Places(most, each, "Too many", "Wait.")


def test_one_too_many_is_refused_until_another_ends() -> None:
    found = places(most=2, each=2)
    with found.one("ann"):
        with found.one("bob"), pytest.raises(RefusedError, match="Too many") as refused:
            found.one("cy").__enter__()
        with found.one("cy"):
            pass
    assert refused.value.status == 429


def test_one_visitor_leaves_places_for_others() -> None:
    found = places(most=3, each=1)
    with found.one("ann"):
        with pytest.raises(RefusedError, match="Too many"):
            found.one("ann").__enter__()
        with found.one("bob"):
            pass


def test_a_place_is_free_after_a_failure() -> None:
    found = places(most=1, each=1)
    with pytest.raises(RuntimeError), found.one("ann"):
        raise RuntimeError
    with found.one("ann"):
        pass
