"""What is masked in an exported payload."""

from __future__ import annotations

import pytest

from cloaca_core.transfer.masking import Masking

ORDER = {"card": {"number": "4111", "cvc": 7}, "items": [{"name": "tea", "card": "x"}], "n": None}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([], ORDER),
        (
            ["card"],
            {
                "card": {"number": "***", "cvc": "***"},
                "items": [{"name": "tea", "card": "***"}],
                "n": None,
            },
        ),
        (["cvc", "n"], {**ORDER, "card": {"number": "4111", "cvc": "***"}}),
        (
            ["*"],
            {
                "card": {"number": "***", "cvc": "***"},
                "items": [{"name": "***", "card": "***"}],
                "n": None,
            },
        ),
    ],
)
def test_values_of_keys_are_masked_at_any_depth(keys: list[str], expected: object) -> None:
    assert Masking(keys).value(ORDER) == expected


def test_what_was_masked_is_taken_out_of_messages() -> None:
    masking = Masking(["card"])
    masking.value(ORDER)

    assert masking.text("card 4111 was refused, x") == "card *** was refused, x"
    assert masking.text(None) is None
    assert Masking([]).text("card 4111") == "card 4111"
