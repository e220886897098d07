"""A value that a schema describes passes; of any other the message has the place and the reason."""

from __future__ import annotations

from typing import Any

from tables import each_row

from cloaca_core.values.payloads.json_schema import Schema, mismatch

TEXT: Schema = {"type": "string"}
PERSON: Schema = {
    "type": "object",
    "properties": {"name": TEXT, "age": {"type": "integer"}},
    "required": ["name"],
}
TREE: Schema = {
    "type": "object",
    "properties": {"nodes": {"type": "array", "items": {"$ref": "#"}}},
    "additionalProperties": False,
}


@each_row(
    ("schema", "value"),
    [
        ({}, [1, {"a": None}]),
        (TEXT, "a"),
        ({"type": "null"}, None),
        ({"type": "boolean"}, False),
        ({"type": "integer"}, 7),
        ({"type": "number"}, 7),
        ({"type": "number"}, 0.5),
        ({"type": ["string", "null"]}, None),
        ({"type": "surprise"}, 7),  # of a later draft
        (PERSON, {"name": "Ann", "age": 7, "more": []}),
        (PERSON, {"name": "Ann"}),
        ({"type": "object", "additionalProperties": TEXT}, {"a": "b"}),
        ({"type": "array", "items": TEXT}, ["a", "b"]),
        ({"type": "array", "prefixItems": [TEXT], "items": {"type": "integer"}}, ["a", 1, 2]),
        ({"minItems": 1, "maxItems": 2}, [1]),
        ({"enum": ["a", 7]}, 7),
        ({"const": None}, None),
        ({"anyOf": [TEXT, {"type": "null"}]}, None),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": TEXT}}, "a"),
        ({"$ref": "#/$defs/gone"}, 7),
        ({"$ref": "#"}, 7),  # a circle accepts all
        (TREE, {"nodes": [{"nodes": []}, {}]}),
        ({"pattern": "x", "format": "date"}, "7"),  # left to the model
        ({"minimum": 7, "maximum": 7.0}, 7),
        ({"exclusiveMinimum": 0, "exclusiveMaximum": 1}, 0.5),
        ({"minLength": 1, "maxLength": 1}, "ü"),
        ({"minimum": 9, "minLength": 9, "minItems": 9}, True),  # bounds of other types
        ({"minimum": 9, "minLength": 9, "minItems": 9}, {}),
        ({"minimum": "9"}, 7),  # no bound
        ({"allOf": [TEXT, {"minLength": 1}]}, "a"),
        ({"oneOf": [TEXT, {"type": "null"}]}, None),
        ({"allOf": [{"$ref": "#"}]}, 7),  # a circle accepts all
    ],
)
def test_a_value_that_matches_passes(schema: Schema, value: Any) -> None:
    assert mismatch(schema, value, "data") is None


@each_row(
    ("reason", "schema", "value"),
    [
        ("data must be a text, not null", TEXT, None),
        ("data must be an integer, not true", {"type": "integer"}, True),
        ("data must be an integer, not a number", {"type": "integer"}, 7.0),
        ("data must be a text or null, not a list", {"type": ["string", "null"]}, []),
        ("data must be an object, not a text", PERSON, "Ann"),
        ("data must have 'name'", PERSON, {"age": 7}),
        ("data.age must be an integer, not a text", PERSON, {"name": "Ann", "age": "7"}),
        ("data.nodes[1].more is not allowed", TREE, {"nodes": [{}, {"more": 1}]}),
        (
            'data["a b"] must be a text, not an integer',
            {"additionalProperties": TEXT},
            {"a b": 1},
        ),
        ("data[1] must be a text, not null", {"items": TEXT}, ["a", None]),
        ("data[0] must be a text, not an integer", {"prefixItems": [TEXT], "items": True}, [1]),
        ("data must have 2 items or more, not 1", {"minItems": 2}, [1]),
        ("data must have at most 0 items, not 1", {"maxItems": 0}, [1]),
        ("data must not be less than 9, got 7", {"minimum": 9}, 7),
        ("data must not be 7 or less, got 7", {"exclusiveMinimum": 7}, 7),
        ("data must not be more than 0.5, got 0.75", {"maximum": 0.5}, 0.75),
        ("data must not be 7 or more, got 7", {"exclusiveMaximum": 7}, 7),
        ("data must have 2 characters or more, not 1", {"minLength": 2}, "a"),
        ("data must have at most 1 characters, not 2", {"maxLength": 1}, "ab"),
        (  # of the forms only one has its type
            "data must not be less than 1, got 0",
            {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            0,
        ),
        ("data must be a text, not null", {"allOf": [{}, TEXT]}, None),
        ("data must be a text or null, not a list", {"oneOf": [TEXT, {"type": "null"}]}, []),
        ('data must be "a" or 7, not 7.0', {"enum": ["a", 7]}, 7.0),
        ('data must be "a", not "b"', {"const": "a"}, "b"),
        (f'data must be 1, not "{"x" * 79}…', {"const": 1}, "x" * 100),
        ("data must be a text or null, not a list", {"anyOf": [TEXT, {"type": "null"}]}, []),
        (  # of the forms only one has its type
            "data.age must be an integer, not a text",
            {"anyOf": [{"$ref": "#/$defs/P"}, {"type": "null"}], "$defs": {"P": PERSON}},
            {"name": "Ann", "age": "7"},
        ),
    ],
)
def test_one_that_does_not_is_told_with_its_place(reason: str, schema: Schema, value: Any) -> None:
    assert mismatch(schema, value, "data") == reason


def test_a_long_path_is_shortened() -> None:
    value: Any = 1
    schema: Schema = {"additionalProperties": {"$ref": "#"}, "type": "object"}
    for _ in range(100):
        value = {"member": value}
    reason = mismatch(schema, value, "data")
    assert reason is not None
    assert "…" in reason
    assert reason.endswith("must be an object, not an integer")
