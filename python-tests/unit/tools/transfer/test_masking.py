"""What is masked in an exported payload."""

from __future__ import annotations

from tables import each_row

from cloaca_tools.transfer.masking import Masking

ORDER = {"card": {"number": "4111", "cvc": 7}, "items": [{"name": "tea", "card": "x"}], "n": None}


@each_row(
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


@each_row(
    ("value", "message"),
    [
        (41111111, "card 41111111"),
        (12.75, "price 12.75"),
        ("two\nlines", "KeyError: 'two\\nlines'"),
        ("it's\t\\", repr("it's\t\\")),
        ("ünïx", '{"name": "\\u00fcn\\u00efx"}'),
        ('say "hi"', '{"name": "say \\"hi\\""}'),
    ],
    ids=["integer", "float", "repr", "repr with quotes", "json", "json with quotes"],
)
def test_values_are_found_in_every_form_in_which_messages_show_them(
    value: object, message: str
) -> None:
    masking = Masking(["secret"])
    masking.value({"secret": value})

    text = masking.text(message)

    assert text is not None
    assert text == message.replace(_inner(message), "***")


def _inner(message: str) -> str:
    """The part of a message of these tests that is to go."""
    for opening, closing in (('{"name": "', '"}'), ("KeyError: '", "'"), ('"', '"')):
        if message.startswith(opening):
            return message[len(opening) : -len(closing)]
    return message.rpartition(" ")[2]


def test_short_values_and_truth_values_stay_in_messages() -> None:
    masking = Masking(["*"])
    masking.value({"a": True, "n": 12, "s": "abc", "none": None})

    assert masking.text("True 12 abc None") == "True 12 abc None"
