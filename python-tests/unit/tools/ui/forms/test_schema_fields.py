"""Fields of schemas, and the values of filled-in fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tables import each_row

from cloaca_core.definition.waits.json_schema import schema_of
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_tools.ui.forms.entered_data import Entered, decision_data, entered
from cloaca_tools.ui.forms.schema_fields import Field, fields_of

Schema = dict[str, JsonValue]


@dataclass
class Refund:
    amount: float
    parts: int
    way: Literal["card", "voucher"]
    to: str
    urgent: bool
    note: str | None = None
    limit: int | None = 3


REFUND = schema_of("schema", Refund)
GOOD = {
    "data.amount": "249.50",
    "data.parts": " 2 ",
    "data.way": '"card"',
    "data.to": "ann",
    "data.urgent": "on",
    "data.limit": "",
}


def by_key(fields: tuple[Field, ...]) -> dict[str, Field]:
    return {field.key: field for field in fields}


def errors(found: Entered) -> dict[str, str]:
    return {field.key: field.error for field in found.fields if field.error}


def of(form: Schema, *, required: bool = True) -> Schema:
    """A schema of one property ``x``."""
    return {"type": "object", "properties": {"x": form}, "required": ["x"] if required else []}


def test_each_field_of_a_dataclass_is_an_input_of_its_type() -> None:
    fields = by_key(fields_of(REFUND))

    assert {key: field.kind for key, field in fields.items()} == {
        "amount": "number",
        "parts": "integer",
        "way": "choice",
        "to": "text",
        "urgent": "check",
        "note": "text",
        "limit": "integer",
    }
    assert [key for key, field in fields.items() if field.required] == [
        "amount",
        "parts",
        "way",
        "to",
    ]
    assert fields["way"].choices == (("", "choose…"), ('"card"', "card"), ('"voucher"', "voucher"))
    assert (fields["amount"].label, fields["amount"].name) == ("Amount", "data.amount")
    assert fields["limit"].value == "3"


def test_filled_in_fields_are_a_value_of_the_schema() -> None:
    found = entered(REFUND, GOOD)

    assert found.is_right
    assert found.value == {
        "amount": 249.5,
        "parts": 2,
        "way": "card",
        "to": "ann",
        "urgent": True,
    }


def test_without_a_schema_there_is_nothing_to_enter() -> None:
    assert fields_of(None) == ()
    assert entered(None, {"data.amount": "1"}) == Entered(None, ())


@each_row(
    ("name", "text", "reason"),
    [
        ("amount", "", "is needed"),
        ("amount", "many", "must be a number, such as 12.5"),
        ("amount", "nan", "must be a number, such as 12.5"),
        ("amount", "1e999", "must be a number, such as 12.5"),
        ("parts", "2.5", "must be a whole number"),
        ("parts", "9" * 5_000, "must be a whole number"),
        ("way", '"cash"', "must be one of the choices"),
        ("way", "", "is needed"),
        ("to", "   ", "is needed"),
    ],
)
def test_a_wrong_value_is_told_at_its_field_and_stays_there(
    name: str, text: str, reason: str
) -> None:
    found = entered(REFUND, {**GOOD, f"data.{name}": text})

    assert errors(found) == {name: reason}
    assert not found.is_right
    assert by_key(found.fields)[name].value == text.strip()


@each_row(
    ("form", "text", "value"),
    [
        ({"type": "number"}, "7", 7),
        ({"type": "number"}, "-7.25", -7.25),
        ({"type": "string"}, " as it is ", "as it is"),
        ({"enum": [1, "1", None]}, "1", 1),
        ({"enum": [1, "1", None]}, '"1"', "1"),
        ({"enum": [1, "1", None]}, "null", None),
        ({"const": "yes"}, '"yes"', "yes"),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "", None),
        ({"type": ["integer", "null"]}, "", None),
        ({"$ref": "#/$defs/Way"}, '"card"', "card"),
        ({"type": "string", "format": "date"}, "2026-03-29", "2026-03-29"),
        ({"type": "string", "maxLength": 500}, "a\r\nb", "a\nb"),
    ],
)
def test_values_of_other_forms_are_read(form: Schema, text: str, value: JsonValue) -> None:
    schema: Schema = {**of(form), "$defs": {"Way": {"enum": ["card", "voucher"], "title": "Way"}}}

    found = entered(schema, {"data.x": text})

    assert errors(found) == {}
    assert found.value == {"x": value}


@each_row(
    ("form", "text", "reason"),
    [
        ({"type": "integer", "minimum": 3}, "2", "must not be less than 3, got 2"),
        ({"type": "string", "minLength": 3}, "ab", "must have 3 characters or more, not 2"),
        ({"type": "array", "minItems": 2}, '["a"]', "must have 2 items or more, not 1"),
        ({"type": "object"}, "{", "must be JSON"),
        ({"type": "object"}, "[" * 100_000, "must be JSON"),
        ({"type": "object"}, "NaN", "must be JSON"),
        ({"type": "object"}, "[]", "must be an object, not a list"),
    ],
)
def test_bounds_and_json_are_checked(form: Schema, text: str, reason: str) -> None:
    assert errors(entered(of(form), {"data.x": text}))["x"].startswith(reason)


def test_a_key_that_need_not_be_there_is_left_out_when_nothing_was_entered() -> None:
    assert entered(of({"type": "integer"}, required=False), {}).value == {}


def test_a_default_is_shown_and_a_text_can_be_emptied() -> None:
    schema = of({"type": "string", "default": "hello"}, required=False)

    assert fields_of(schema)[0].value == "hello"
    assert entered(schema, {"data.x": ""}).value == {"x": ""}


def test_a_long_default_has_several_lines() -> None:
    assert fields_of(of({"type": "string", "default": "a\nb"}))[0].kind == "area"
    assert fields_of(of({"type": "string", "default": "a" * 61}))[0].kind == "area"
    assert fields_of(of({"type": "string", "default": "a" * 60}))[0].kind == "text"


def test_yes_or_no_may_stay_open_where_it_is_not_needed() -> None:
    field = fields_of(of({"type": "boolean"}, required=False))[0]

    assert field.kind == "choice"
    assert field.choices == (("", "not given"), ("true", "yes"), ("false", "no"))
    assert entered(of({"type": "boolean"}, required=False), {"data.x": ""}).value == {}
    assert entered(of({"type": "boolean"}), {}).value == {"x": False}


@each_row(
    "schema",
    [
        {"type": "array", "items": {"type": "integer"}},
        {"anyOf": [{"type": "object", "properties": {}}, {"type": "null"}]},
        {"type": "object"},
        {},
    ],
)
def test_any_other_value_is_written_as_json(schema: Schema) -> None:
    (field,) = fields_of(schema)

    assert (field.name, field.kind) == ("data", "json")
    assert entered(schema, {"data": "[1]"}).value == [1]
    assert not entered(schema, {}).is_right


def test_json_of_the_whole_is_checked_as_well() -> None:
    schema: Schema = {"type": "array", "items": {"type": "integer"}}

    found = entered(schema, {"data": '["a"]'})

    assert errors(found) == {"": "[0] must be an integer, not a text"}


def test_what_no_single_field_tells_is_told_of_the_whole() -> None:
    schema: Schema = {**of({"type": "string"}), "required": ["x", "y"]}

    found = entered(schema, {"data.x": "a"})

    assert found.error == "data must have 'y'"
    assert not found.is_right


def test_odd_schemas_make_odd_fields_and_no_error() -> None:
    circle: Schema = {**of({"$ref": "#/$defs/A"}), "$defs": {"A": {"$ref": "#/$defs/A"}}}

    assert fields_of(circle)[0].kind == "json"
    assert fields_of({"properties": {"x": True}})[0].kind == "json"
    assert fields_of({"properties": {"": {"type": "string"}}})[0].label == ""
    assert fields_of(of({"$ref": "#/nowhere"}))[0].kind == "json"


def test_a_reference_is_followed_when_a_value_is_checked() -> None:
    schema: Schema = {
        **of({"$ref": "#/$defs/Few"}),
        "$defs": {"Few": {"type": "integer", "maximum": 3}},
    }

    assert errors(entered(schema, {"data.x": "4"})) == {"x": "must not be more than 3, got 4"}


def test_a_choice_takes_no_other_value_also_where_the_schema_would() -> None:
    form: Schema = {"anyOf": [{"enum": ["card"]}, {"type": "null"}]}

    assert errors(entered(of(form), {"data.x": "null"})) == {"x": "must be one of the choices"}
    assert entered(of(form), {"data.x": ""}).value == {"x": None}


def test_a_field_has_the_title_and_the_description_of_its_property() -> None:
    field = fields_of(of({"type": "number", "title": "Sum", "description": "In euro"}))[0]

    assert (field.label, field.hint) == ("Sum", "In euro")


def test_a_whole_number_stays_one() -> None:
    found = by_key(entered(of({"type": "number"}), {"data.x": "12"}).fields)
    value = entered(of({"type": "number"}), {"data.x": "12"}).value

    assert found["x"].value == "12"
    assert isinstance(value, dict)
    assert isinstance(value["x"], int)


@each_row("given", [{}, {"data.amount": " "}, {**GOOD, "data.amount": "many"}])
def test_a_rejection_needs_no_data_and_another_choice_does(given: dict[str, str]) -> None:
    rejected = decision_data(REFUND, "reject", given)

    assert rejected.is_right
    assert rejected.value is None
    assert not decision_data(REFUND, "approve", given).is_right


def test_a_rejection_has_the_data_that_are_right() -> None:
    assert decision_data(REFUND, "reject", GOOD) == entered(REFUND, GOOD)


@each_row("text", ["[" * 100_000, "NaN", "9" * 5_000])
def test_json_that_cannot_be_read_is_an_error_of_its_field(text: str) -> None:
    assert errors(entered(of({"type": "array"}), {"data.x": text}))["x"].startswith(
        "must be JSON: "
    )
