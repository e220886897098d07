"""The first stories of each workflow: no promise is broken in them."""

from __future__ import annotations

from typing import Final

import pytest
from simulation.workflows import CASES, arguments

from cloaca_testing import simulate

pytestmark = pytest.mark.backend("sqlite", reason="the database of a story is in memory")

SEEDS: Final = 8
"""Stories of each; ``invoke simulate`` tells more. Each broken engine is noticed in one of them, or
in one of ``NOTICES``.
"""
FOUND: Final = (
    ("limited", 10009), ("limited", 10030), ("limited", 15139), ("limited", 20112),
    ("approval", 10049), ("patient", 40043),
)  # fmt: skip
"""Stories in which ``invoke simulate`` has found a fault that is mended since; in the last two
of the simulation: callers sent nothing to a run whose acceptance no caller was told of, and the end
of the faults was not taken for the instant at which a runner was awake again.
"""
NOTICES: Final = (("limited", 33),)
"""Stories in which a broken engine is noticed that is noticed in none of the first ones."""


@pytest.mark.parametrize("case", CASES)
def test_no_promise_is_broken(case: str) -> None:
    assert simulate(**arguments(case), seeds=range(SEEDS), shrink=False).seeds == SEEDS


@pytest.mark.parametrize(("case", "seed"), [*FOUND, *NOTICES])
def test_a_story_that_once_broke_a_promise_breaks_none(case: str, seed: int) -> None:
    assert simulate(**arguments(case), seeds=[seed], shrink=False).seeds == 1
