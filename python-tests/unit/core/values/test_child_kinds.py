"""The calls in the idempotency keys of child runs."""

from __future__ import annotations

import pytest

from cloaca_core.values.child_kinds import call_with_input, call_with_key, is_call

DIGEST = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("3", True),  # of a submission
        (call_with_input(3, DIGEST), True),
        (call_with_key("north"), True),
        (call_with_key("two\nlines"), True),
        ("", False),
        ("on_success", False),  # of a callback
        ("k=", False),
        ("3-", False),
        ("3-0123", False),
    ],
)
def test_a_call_is_told_from_other_parts_of_keys(text: str, is_one: bool) -> None:
    assert is_call(text) is is_one


def test_a_call_is_named_for_its_number_and_the_input_or_for_its_key() -> None:
    assert call_with_input(3, DIGEST) == "3-0123456789abcdef"
    assert call_with_key("3") == "k=3"
