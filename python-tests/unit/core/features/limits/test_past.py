"""Places of claimed runs: a look at the database leaves them alone until a unit has taken them."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

from cloaca_core.features.limits.past import AdoptedPlaces
from cloaca_core.features.limits.records import Adopted, Grant
from cloaca_core.run.rows import THE_TASK

MINE = Grant("gpu", 3, "r", "t", THE_TASK, "me", (("gpu", ""),), 1)


def test_places_are_coming_from_the_claim_until_a_unit_takes_them() -> None:
    run: Any = Mock(id="r")
    places = AdoptedPlaces()
    assert not places.are_coming(MINE)

    places.expect(["r"])
    assert places.are_coming(MINE)
    assert not places.are_coming(MINE._replace(run_id="other"))

    places.put(Adopted([MINE], {}), run, None)
    assert places.are_coming(MINE)
    assert not places.are_coming(MINE._replace(number=4))

    assert places.take(run, ("r", "t", THE_TASK)) == MINE
    assert not places.are_coming(MINE)


def test_a_run_that_has_no_places_may_get_some_while_others_are_read() -> None:
    places = AdoptedPlaces()
    places.expect(["r", "other"])

    places.expect(["other"])

    assert not places.are_coming(MINE)
