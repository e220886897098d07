"""The calls in the idempotency keys of child runs."""

from __future__ import annotations

from tables import each_row

from cloaca_core.values.child_kinds import (
    Place,
    call_with_input,
    call_with_key,
    node_key,
    place_of,
    place_of_call,
)

DIGEST = "0123456789abcdef" * 2


@each_row(
    ("text", "place"),
    [
        ("3", ("3", (1, 0))),  # of a submission
        ("3::2", ("3", (2, 0))),
        (call_with_input(3, DIGEST), ("3-0123456789abcdef", (1, 0))),
        (call_with_key("north"), ("k=north", (1, 0))),
        ("k=north::12", ("k=north", (12, 0))),
        (call_with_key("two\nlines"), ("k=two\nlines", (1, 0))),
        ("i-1.4@1", ("i-1", (1, 4))),  # of a node
        ("i-1.0@2", ("i-1", (2, 0))),
        ("i17.0@2", ("i17", (2, 0))),  # of an item of a map
        ("", None),
        ("on_success", None),  # of a callback
        ("k=", None),
        ("3-", None),
        ("3-0123", None),
        ("3::x", None),
    ],
)
def test_a_call_has_a_place_and_an_order_among_its_runs(
    text: str, place: tuple[str, tuple[int, int]] | None
) -> None:
    assert place_of_call(text) == place


def test_a_call_is_named_for_its_number_and_the_input_or_for_its_key() -> None:
    assert call_with_input(3, DIGEST) == "3-0123456789abcdef"
    assert call_with_key("3") == "k=3"


@each_row(
    ("key", "place"),
    [
        ("r::load::3", Place("load", "3")),
        (f"r::load::{call_with_input(3, DIGEST)}", Place("load", "3")),
        (f"r::load::{call_with_key('a-b')}", Place("load", "a-b")),
        (f"r::load::{call_with_key('3')}::2", Place("load", "3")),  # of a second attempt
        (node_key("r", "load", 2), Place("load", iteration=0)),
        (node_key("r", "load", 1, 4), Place("load", iteration=4)),
        (node_key("r", "load", 1, item=17), Place("load", iteration=0, item=17)),
        ("r::load::on_success::1", None),  # of a callback
        ("other::load::3", None),
        ("order 7", None),
        (None, None),
    ],
)
def test_a_key_says_which_task_began_the_run_and_by_which_call(
    key: str | None, place: Place | None
) -> None:
    assert place_of("r", key) == place
