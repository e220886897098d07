"""Which acts the state of a run allows, and why not the others."""

from __future__ import annotations

from datetime import UTC, datetime

from model.families import LATE, run
from tables import each_row

from cloaca_core.views.results import run_info
from cloaca_tools.ui.runs.allowed_acts import AllowedActs, allowed_acts
from cloaca_tools.ui.words.clock import Clock

OVER = "Ended at 22:14:10"


@each_row(
    ("status", "expected"),
    [
        ("Running", AllowedActs("It has not ended", "", "It is not paused", "", "")),
        ("Waiting", AllowedActs("It has not ended", "", "It is not paused", "", "")),
        ("Paused", AllowedActs("It has not ended", "It is paused", "", "", "resume")),
        (
            "Cancelling",
            AllowedActs(
                "It has not ended",
                "It is being cancelled",
                "It is not paused",
                "It is being cancelled",
                "",
            ),
        ),
        ("Failed", AllowedActs("", OVER, "It is not paused", OVER, "retry")),
        ("Cancelled", AllowedActs("", OVER, "It is not paused", OVER, "retry")),
        (
            "Completed",
            AllowedActs(
                "It has completed: fork it to run a part of it again",
                OVER,
                "It is not paused",
                OVER,
                "",
            ),
        ),
    ],
)
def test_a_state_allows_some_acts(status: str, expected: AllowedActs) -> None:
    clock = Clock(UTC, datetime(2023, 11, 14, 23, tzinfo=UTC))
    assert allowed_acts(run_info(run(status=status), LATE), clock) == expected
