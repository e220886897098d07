"""Fields for a JSON schema, and the data that a filled form gives."""

from __future__ import annotations

from typing import Any

import pytest

from cloaca_core.ui.schema_fields import entered, fields_of, is_empty

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["amount", "reason"],
    "properties": {
        "amount": {"type": "number", "title": "Amount", "description": "In euro"},
        "reason": {"enum": ["broken", "late"]},
        "count": {"type": "integer", "default": 1},
        "tell": {"type": "boolean", "default": True},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "kind": {"$ref": "#/$defs/Kind"},
        "more": {"type": "array", "items": {"type": "string"}},
    },
    "$defs": {"Kind": {"enum": [1, 2]}},
}
FULL = {"data.amount": "1.5", "data.reason": '"late"'}


def test_each_property_is_a_field() -> None:
    kinds = {field.key: (field.kind, field.required, field.value) for field in fields_of(SCHEMA)}

    assert kinds == {
        "amount": ("number", True, ""),
        "reason": ("enum", True, ""),
        "count": ("integer", False, "1"),
        "tell": ("boolean", False, "on"),
        "note": ("text", False, ""),
        "kind": ("enum", False, ""),
        "more": ("json", False, ""),
    }
    amount = fields_of(SCHEMA)[0]
    assert (amount.name, amount.label, amount.hint) == ("data.amount", "Amount", "In euro")


def test_a_filled_form_gives_the_data() -> None:
    filled = {
        **FULL,
        "data.count": " 3 ",
        "data.tell": "on",
        "data.note": " as is ",
        "data.kind": "2",
        "data.more": '["a"]',
    }

    assert entered(SCHEMA, filled.get).data == {
        "amount": 1.5,
        "reason": "late",
        "count": 3,
        "tell": True,
        "note": " as is ",
        "kind": 2,
        "more": ["a"],
    }


def test_what_is_left_empty_is_left_out() -> None:
    found = entered(SCHEMA, {**FULL, "data.count": "", "data.note": " "}.get)

    assert found.data == {"amount": 1.5, "reason": "late", "tell": False}
    assert not found.is_wrong


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("data.amount", "", "Fill this in."),
        ("data.amount", "much", "This is to be a number."),
        ("data.amount", "nan", "This is to be a number."),
        ("data.count", "1.5", "This is to be a whole number."),
        ("data.reason", "late", "Choose one of these."),
        ("data.reason", "", "Fill this in."),
        ("data.more", "[", "This is not JSON: "),
    ],
)
def test_a_wrong_field_has_its_error_and_keeps_its_text(name: str, text: str, error: str) -> None:
    found = entered(SCHEMA, {**FULL, name: text}.get)

    wrong = [field for field in found.fields if field.error]
    assert [(field.name, field.value) for field in wrong] == [(name, text)]
    assert wrong[0].error.startswith(error)
    assert found.is_wrong


def test_a_whole_number_stays_one() -> None:
    found = entered(SCHEMA, {**FULL, "data.amount": "12"}.get)
    assert isinstance(found.data["amount"], int)


@pytest.mark.parametrize("schema", [{"type": "array"}, {"type": "object"}, {}])
def test_another_schema_is_one_field_of_json(schema: dict[str, Any]) -> None:
    assert [field.kind for field in fields_of(schema)] == ["json"]
    assert entered(schema, {"data": "[1]"}.get).data == [1]
    nothing: dict[str, str] = {}
    assert entered(schema, nothing.get).is_wrong


def test_without_a_schema_there_is_no_field_and_no_data() -> None:
    assert fields_of(None) == ()
    assert entered(None, {"data": "1"}.get).data is None


def test_a_reference_to_itself_ends() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"$ref": "#/$defs/A"}},
    }
    assert [field.kind for field in fields_of(schema)] == ["json"]


def test_a_form_is_empty_until_something_is_filled_in() -> None:
    assert is_empty(SCHEMA, {"data.amount": " "}.get)
    assert not is_empty(SCHEMA, {"data.amount": "1"}.get)


@pytest.mark.parametrize("text", ["[" * 100_000, "NaN", "9" * 5_000])
def test_json_that_cannot_be_read_is_an_error_of_its_field(text: str) -> None:
    given = {**FULL, "data.more": text}
    (more,) = [each for each in entered(SCHEMA, given.get).fields if each.key == "more"]

    assert more.error.startswith("This is not JSON: ")
