"""The first stories of each workflow: no promise is broken in them."""

from __future__ import annotations

from typing import Final

import pytest
from simulation.workflows import CASES, arguments

from cloaca_testing import simulate

pytestmark = pytest.mark.backend("sqlite", reason="the database of a story is in memory")

SEEDS: Final = 8
"""Stories of each; ``invoke simulate`` tells more. Each broken engine is noticed in one of them."""


@pytest.mark.parametrize("case", CASES)
def test_no_promise_is_broken(case: str) -> None:
    assert simulate(**arguments(case), seeds=range(SEEDS), shrink=False).seeds == SEEDS
