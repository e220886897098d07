"""Remarks in lists of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tables import each_row

from cloaca_tools.cli.columns import run_remark

LATER = (datetime.now(UTC) + timedelta(hours=23, minutes=59)).isoformat()
ROW: dict[str, Any] = {
    "error_message": None,
    "reason": None,
    "due_at": LATER,
    "ended_at": None,
    "tags": {"team": "x"},
}


@each_row(
    ("wait", "told"),
    [
        (("sleep", "nap", LATER), "waits for its time, in 23h"),
        (("event", "paid", LATER), "waits for event 'paid', time-out in 23h"),
        (("event", "paid", None), "waits for event 'paid'"),
        (("approval", "sign", None), "waits for a decision: sign"),
        (("retry", None, LATER), "waits for its next attempt, in 23h"),
        (("run", "0192", None), "waits for run 0192"),
        (("some day", None, None), "some day"),  # of a newer version
    ],
)
def test_a_run_that_waits_says_for_what(wait: tuple[Any, ...], told: str) -> None:
    kind, name, until = wait
    row = {**ROW, "waits_for": {"kind": kind, "name": name, "until": until}}
    assert run_remark(row) == told


def test_an_answered_wait_is_one_for_a_runner() -> None:
    wait = {"kind": "approval", "name": "sign", "until": LATER, "answered": True}
    assert run_remark({**ROW, "waits_for": wait}) == "is decided, and a runner is to record that"


def test_a_run_that_has_not_begun_is_due() -> None:
    assert run_remark(ROW).startswith("due in 23h")
