"""Which acts the state of a run allows, and why not the others."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from model.families import LATE, run

from cloaca_core.observe.listing import run_line
from cloaca_core.ui.offers import Offers, offers
from cloaca_core.ui.words import Clock

OVER = "Ended at 22:14:10"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Running", Offers("It has not ended", "", "It is not paused", "", "")),
        ("Waiting", Offers("It has not ended", "", "It is not paused", "", "")),
        ("Paused", Offers("It has not ended", "It is paused", "", "", "resume")),
        (
            "Cancelling",
            Offers(
                "It has not ended",
                "It is being cancelled",
                "It is not paused",
                "It is being cancelled",
                "",
            ),
        ),
        ("Failed", Offers("", OVER, "It is not paused", OVER, "retry")),
        ("Cancelled", Offers("", OVER, "It is not paused", OVER, "retry")),
        (
            "Completed",
            Offers(
                "It has completed: fork it to run a part of it again",
                OVER,
                "It is not paused",
                OVER,
                "",
            ),
        ),
    ],
)
def test_a_state_allows_some_acts(status: str, expected: Offers) -> None:
    clock = Clock(UTC, datetime(2023, 11, 14, 23, tzinfo=UTC))
    assert offers(run_line(run(status=status), LATE), clock) == expected
