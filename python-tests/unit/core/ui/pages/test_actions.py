"""Acts of a person or a kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloaca_core.runner.history import Action
from cloaca_core.ui.pages.actions import chosen, together


def act(by: str, kind: str) -> Action:
    return Action(f"{by}-{kind}", "2026-11-27T07:30:00+00:00", kind, "r", "flow", by, None, True)


ACTS = [act("ann", "cancel"), act("bob", "cancel"), act("ann", "retry")]


@pytest.mark.parametrize(
    ("by", "kind", "expected"),
    [
        ("", "", ["ann-cancel", "bob-cancel", "ann-retry"]),
        ("ann", "", ["ann-cancel", "ann-retry"]),
        ("", "cancel", ["ann-cancel", "bob-cancel"]),
        ("ann", "retry", ["ann-retry"]),
        ("an", "", []),
    ],
)
def test_acts_are_chosen_by_person_and_kind(by: str, kind: str, expected: list[str]) -> None:
    assert [each.id for each in chosen(ACTS, by, kind)] == expected


def test_an_act_of_two_lists_counts_once() -> None:
    """One call that steers several runs makes an act of each, under one id."""
    one, started = act("ann", "pause"), replace(act("bob", "submit"), id="other")
    another = replace(one, run_id="another")

    assert together([started, one, another], [one, another]) == [started, one, another]
