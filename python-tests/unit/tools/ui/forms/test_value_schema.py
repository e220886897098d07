"""The fields of a JSON object as it is."""

from __future__ import annotations

from typing import Final

from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.values.payloads.json_values import JsonValue, same_value
from cloaca_tools.ui.forms.entered_data import entered
from cloaca_tools.ui.forms.schema_fields import Field, every, fields_of
from cloaca_tools.ui.forms.value_schema import value_schema

_TEXTS: Final = st.text("ab\n\t\r .1'", max_size=4)
_PLAIN: Final = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXTS
_VALUES: Final = st.recursive(
    _PLAIN.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=8,
)
_OBJECTS: Final = st.dictionaries(_TEXTS.filter(bool), _VALUES, max_size=4)


def kinds(value: dict[str, JsonValue]) -> dict[str, str]:
    return {each.key: each.kind for each in fields_of(value_schema(value))}


def sent(fields: tuple[Field, ...]) -> dict[str, str]:
    """What a browser sends of fields as they are."""
    found = {}
    for each in every(fields):
        if each.kind == "check" and each.value:
            found[each.name] = "on"
        elif each.kind == "area":
            found[each.name] = each.value.replace("\n", "\r\n")
        elif each.kind not in ("check", "list"):
            found[each.name] = each.value
    return found


@given(_OBJECTS)
def test_fields_that_nobody_changes_are_the_same_object(value: dict[str, JsonValue]) -> None:
    schema = value_schema(value)
    found = entered(schema, sent(fields_of(schema)))

    assert found.is_right
    assert same_value(found.value, value)


def test_each_value_has_the_fields_of_its_type() -> None:
    value: dict[str, JsonValue] = {
        "amount": 7,
        "rate": 0.5,
        "to": "ann",
        "letter": "Dear shop,\nit broke",
        "urgent": False,
        "card": {"zip": "0150"},
        "lines": [{"sku": 1, "note": ""}, {"sku": 2, "note": "red"}],
        "parts": [],
    }
    assert kinds(value) == {
        "amount": "number",
        "rate": "number",
        "to": "text",
        "letter": "area",
        "urgent": "check",
        "card": "group",
        "lines": "list",
        "parts": "json",
    }


@each_row(
    "value",
    [
        None,
        {},
        [[1]],
        [1, "a"],
        [True],
        list(range(21)),
        " spaces ",
        "\n",
        "a\rb",
        {"a.b": 1},
        {"": 1},
        [None],
    ],
)
def test_what_inputs_would_not_keep_is_json(value: JsonValue) -> None:
    assert kinds({"x": value}) == {"x": "json"}


def test_a_key_with_a_dot_is_json_beside_an_object_of_the_same_name() -> None:
    assert kinds({"a.b": 2, "a": {"b": 2}}) == {"a.b": "json", "a": "group"}


def test_an_emptied_text_is_empty_and_an_emptied_number_leaves_its_key_out() -> None:
    schema = value_schema({"to": "ann", "amount": 7, "none": None, "card": {"zip": "1"}})
    empty = {"data.to": "", "data.amount": "", "data.none": "", "data.card.zip": ""}

    assert entered(schema, empty).value == {"to": "", "none": None, "card": {"zip": ""}}
