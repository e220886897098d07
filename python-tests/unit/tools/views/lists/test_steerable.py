"""Filters that are narrowed to the runs that an order can act on."""

from __future__ import annotations

from tables import each_row

from cloaca_tools.views.lists.filters import parse
from cloaca_tools.views.lists.steerable import is_steerable, steerable


@each_row(
    ("text", "expected"),
    [
        ("workflow:order", "workflow:order status:Failed,Cancelled"),
        ("status:running", "status:Running"),  # to be told that none of them is changed
        ("-status:failed", "-status:Failed status:Failed,Cancelled"),  # names none that it is for
    ],
)
def test_only_a_term_that_names_states_replaces_those_that_the_order_changes(
    text: str, expected: str
) -> None:
    assert str(steerable("retry", parse(text))) == expected


def test_a_filter_is_narrowed_once() -> None:
    narrowed = steerable("pause", parse("-status:running"))

    assert steerable("pause", narrowed) == narrowed


def test_each_kind_changes_states_of_its_own() -> None:
    kinds = ("cancel", "pause", "resume", "retry")

    assert [kind for kind in kinds if is_steerable(kind, "Paused")] == ["cancel", "resume"]
