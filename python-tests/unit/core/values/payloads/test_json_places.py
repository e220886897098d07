"""What stands at a path of keys."""

from __future__ import annotations

from tables import each_row

from cloaca_core.values.payloads.json_places import Place, at_path, kind_of, written_path
from cloaca_core.values.payloads.json_values import JsonValue

CONTEXT: dict[str, JsonValue] = {"order": {"a b": [1], "none": None}, "a b": "x"}


@each_row(
    ("keys", "expected"),
    [
        (("order", "a b"), Place("order.a b", [1])),
        (("a b",), Place('["a b"]', "x")),
        # null is a value
        (("order", "none"), Place("order.none", None)),
        (("orders",), Place("orders", None, "nothing: its context has no such key")),
        (("order", "b"), Place("order.b", None, "nothing: its context has no such key")),
        (
            ("a b", "c"),
            Place('["a b"]', None, "a text; expected an object with the key 'c'"),
        ),
        (
            ("order", "none", "c"),
            Place("order.none", None, "null; expected an object with the key 'c'"),
        ),
    ],
)
def test_a_path_leads_to_a_value_or_to_what_is_there_in_its_place(
    keys: tuple[str, ...], expected: Place
) -> None:
    assert at_path(CONTEXT, keys) == expected


def test_a_path_is_written_as_the_place_that_it_leads_to() -> None:
    assert written_path(("order", "a b")) == at_path(CONTEXT, ("order", "a b")).path
    assert written_path(("a b",)) == '["a b"]'


def test_kinds_are_those_of_json() -> None:
    values: list[JsonValue] = [None, True, 1, 0.5, "", {}, []]
    assert [kind_of(each) for each in values] == [
        "null",
        "a boolean",
        "a number",
        "a number",
        "a text",
        "an object",
        "a list",
    ]
