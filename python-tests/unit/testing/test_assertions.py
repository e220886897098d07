"""What is compared, and what a failed assertion says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tables import each_row

from cloaca_testing.assertions import Path, Submitted, matching, wrong_count, wrong_path

ANN = Submitted("mail", "Completed", {"to": "ann", "copies": 1})
BOB = Submitted("mail", "Pending", {"to": "bob"})


@each_row(
    ("context", "expected"),
    [
        (None, [ANN, BOB]),  # any
        ({}, [ANN, BOB]),  # any
        ({"to": "ann"}, [ANN]),  # one of its items
        ({"to": "ann", "copies": 2}, []),  # another value
        ({"cc": None}, []),  # None is not the same as no item
    ],
)
def test_runs_match_by_the_items_that_are_named(
    context: Mapping[str, Any] | None, expected: list[Submitted]
) -> None:
    assert expected == matching([ANN, BOB], context)


@each_row(
    ("wanted", "found", "right"),
    [(None, 1, True), (None, 0, False), (0, 0, True), (0, 1, False), (2, 2, True), (2, 3, False)],
)
def test_none_is_at_least_one(wanted: int | None, found: int, right: bool) -> None:
    assert right is (wrong_count("mail", None, wanted, found, [ANN]) is None)


def test_a_wrong_count_shows_what_was_submitted() -> None:
    assert wrong_count("mail", {"to": "eve"}, 1, 0, [ANN, BOB]) == (
        "expected 1 run of 'mail' with {'to': 'eve'}, found 0; these were submitted:\n"
        "  mail {'to': 'ann', 'copies': 1} (Completed)\n"
        "  mail {'to': 'bob'} (Pending)"
    )
    assert wrong_count("mail", None, None, 0, []) == (
        "expected at least one run of 'mail', found 0; no run was submitted at all"
    )


PATH = Path(["charge", "send"], {"remind": "upstream failed: wait"})


@each_row(
    ("ran", "skipped", "reason"),
    [
        (["charge", "send"], None, None),  # what is skipped is left open
        (["charge", "send"], ["remind"], None),  # all as it is
        (
            ["send", "charge"],  # the order counts
            None,
            "expected these bodies: send, charge; called: charge, send",
        ),
        (
            ["charge", "send"],
            [],  # none, which is not the same as any
            "expected to be skipped: none; skipped: remind (upstream failed: wait)",
        ),
    ],
)
def test_a_path_is_compared(ran: list[str], skipped: list[str] | None, reason: str | None) -> None:
    assert wrong_path(PATH, ran, skipped) == reason
