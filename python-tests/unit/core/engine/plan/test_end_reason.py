"""A run that passed its deadline is known by its message, wherever that is read; no other is."""

from __future__ import annotations

import pytest

from cloaca_core._engine.plan.end_reason import overdue_message, passed_limit


def test_it_says_what_programs_look_for() -> None:
    assert overdue_message(3) == "Pipeline timeout after 3s"


@pytest.mark.parametrize("seconds", [1, 3, 3600, 10**9])
def test_the_limit_is_read_from_the_message(seconds: int) -> None:
    assert passed_limit(overdue_message(seconds)) == seconds


def test_and_from_one_that_says_what_else_was_wrong() -> None:
    message = f"{overdue_message(3)}; the final context is 95 bytes long;\nmore"
    assert passed_limit(message) == 3


@pytest.mark.parametrize(
    "message",
    [
        # A run that completed has none.
        None,
        "",
        # The planner's own words, about a task that is named or that fails like one.
        "1 task(s) failed, 0 completed, 0 skipped; first error: a: E: Pipeline timeout after 3s",
        "1 task(s) failed, 0 completed, 0 skipped; first error: Pipeline timeout after 3s: E: x",
        # The engine's.
        "a result could not be stored: Pipeline timeout after 3s",
        # Rows that somebody has damaged.
        "Pipeline timeout after s",
        "Pipeline timeout after nan",
        "Pipeline timeout after 3s\n",
        "Pipeline timeout after -3s",
    ],
)
def test_no_other_message_is_taken_for_it(message: str | None) -> None:
    assert passed_limit(message) is None
