"""JSON schemas of dataclasses and models."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict, TypeVar

import pytest
from tables import each_row

from cloaca_core.definition.waits.json_schema import schema_of
from cloaca_core.errors import DefinitionTypeError
from cloaca_core.values.payloads.json_values import JsonValue

Cents = NewType("Cents", int)
T = TypeVar("T")


class Place(TypedDict):
    """A mapping with known keys."""

    city: str
    zip: NotRequired[str]


@dataclass
class Line:
    """A dataclass within another."""

    item: str
    price: Cents = Cents(0)


@dataclass
class Order:
    """A dataclass with itself in it."""

    lines: list[Line]
    parts: list[Order]
    first: Line | None = None


class Model:
    """What a model of pydantic looks like."""

    @classmethod
    def model_json_schema(cls) -> dict[str, Any]:
        return {"properties": {"n": {"$ref": "#/$defs/N"}}, "$defs": {"N": {"type": "integer"}}}

    @classmethod
    def model_validate(cls, value: object) -> object:
        return value


def of_field(kind: Any) -> JsonValue:
    """The schema of a field of this type."""
    made = dataclasses.make_dataclass("Made", [("x", kind)])
    properties = schema_of("schema", made)["properties"]
    assert isinstance(properties, dict)
    return properties["x"]


@each_row(
    ("kind", "schema"),
    [
        (int, {"type": "integer"}),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (str, {"type": "string"}),
        (None, {"type": "null"}),
        (Any, {}),
        (T, {}),
        (list, {"type": "array"}),
        (dict, {"type": "object"}),
        (Cents, {"type": "integer"}),
        (Annotated[str, "a name"], {"type": "string"}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (list[str], {"type": "array", "items": {"type": "string"}}),
        (tuple[int, ...], {"type": "array", "items": {"type": "integer"}}),
        (
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (
            Place,
            {
                "title": "Place",
                "type": "object",
                "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
                "required": ["city"],
            },
        ),
    ],
)
def test_the_types_that_a_field_may_have(kind: Any, schema: JsonValue) -> None:
    assert of_field(kind) == schema


def test_a_dataclass_within_is_a_definition_and_itself_a_reference() -> None:
    assert schema_of("schema", Order) == {
        "title": "Order",
        "type": "object",
        "properties": {
            "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
            "parts": {"type": "array", "items": {"$ref": "#"}},
            "first": {"anyOf": [{"$ref": "#/$defs/Line"}, {"type": "null"}], "default": None},
        },
        "required": ["lines", "parts"],
        "additionalProperties": False,
        "$defs": {
            "Line": {
                "title": "Line",
                "type": "object",
                "properties": {
                    "item": {"type": "string"},
                    "price": {"type": "integer", "default": 0},
                },
                "required": ["item"],
                "additionalProperties": False,
            }
        },
    }


def test_two_dataclasses_of_one_name_stay_apart() -> None:
    one = dataclasses.make_dataclass("Same", [("x", int)])
    two = dataclasses.make_dataclass("Same", [("x", str)])
    both = dataclasses.make_dataclass("Both", [("a", one), ("b", two), ("c", one)])

    schema = schema_of("schema", both)

    assert schema["properties"] == {
        "a": {"$ref": "#/$defs/Same"},
        "b": {"$ref": "#/$defs/Same2"},
        "c": {"$ref": "#/$defs/Same"},
    }


def test_a_default_without_json_form_is_left_out() -> None:
    @dataclass
    class Made:
        x: Any = field(default=frozenset())
        y: list[int] = field(default_factory=list)
        z: int = field(default=0, init=False)

    schema = schema_of("schema", Made)

    assert schema["properties"] == {"x": {}, "y": {"type": "array", "items": {"type": "integer"}}}
    assert "required" not in schema


def test_a_models_schema_is_its_own_also_in_a_dataclass() -> None:
    assert schema_of("schema", Model) == Model.model_json_schema()

    made = dataclasses.make_dataclass("Made", [("x", Model)])
    schema = schema_of("schema", made)
    assert schema["properties"] == {"x": {"properties": {"n": {"$ref": "#/$defs/N"}}}}
    assert schema["$defs"] == {"N": {"type": "integer"}}


@each_row("kind", [int, "Refund", Line("a"), dict[str, int]])
def test_other_types_are_refused(kind: Any) -> None:
    with pytest.raises(DefinitionTypeError, match="schema must be a dataclass or a model"):
        schema_of("schema", kind)


@each_row("kind", [date, set[int], list[date]])
def test_a_field_without_json_form_is_refused_by_its_type(kind: Any) -> None:
    with pytest.raises(DefinitionTypeError, match=r"schema: a field of type (date|set\[int\])"):
        of_field(kind)


def test_annotations_that_cannot_be_read_are_refused() -> None:
    with pytest.raises(DefinitionTypeError, match="annotations of Made cannot be read"):
        of_field("NoSuchType")
