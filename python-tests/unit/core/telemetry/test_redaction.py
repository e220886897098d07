"""Values that were added are found in no text any more."""

from __future__ import annotations

import pytest

from cloaca_core.telemetry.redaction import Redaction


def test_nothing_is_hidden_before_a_value_was_added() -> None:
    assert Redaction()("token=abc") == "token=abc"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token=abc", "token=***"),
        ("abcabc", "******"),
        ("abc def", "*** def"),
        ("nothing", "nothing"),
        ("xabcy", "***"),  # the longer one first: it contains the other
    ],
)
def test_every_place_of_a_value_is_hidden(text: str, shown: str) -> None:
    redaction = Redaction()
    redaction.add("abc")
    redaction.add("xabcy")
    redaction.add("")

    assert redaction(text) == shown
