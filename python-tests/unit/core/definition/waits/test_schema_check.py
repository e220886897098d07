"""What is wrong with a value, by its schema."""

from __future__ import annotations

from typing import Any

import pytest

from cloaca_core.definition.waits.schema_check import MAX_DEPTH, problem_with

LINE = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("value", "schema", "problem"),
    [
        (1, {}, None),
        (1, {"type": "integer"}, None),
        (1.0, {"type": "integer"}, None),
        (1.5, {"type": "integer"}, "data must be of type integer, got number"),
        (True, {"type": "integer"}, "data must be of type integer, got boolean"),
        (1, {"type": "number"}, None),
        ("1", {"type": ["number", "null"]}, "data must be of type number or null, got string"),
        (None, {"type": ["number", "null"]}, None),
        (None, {"type": "null"}, None),
        # A type of a newer draft is left to others.
        (1, {"type": "decimal"}, None),
        ("b", {"enum": ["a", 1]}, "data must be one of 'a', 1, got 'b'"),
        (1, {"enum": ["a", 1]}, None),
        (True, {"const": 1}, "data must be one of 1, got True"),
        ({"n": 1}, LINE, None),
        ({}, LINE, "data has no n"),
        ({"n": "1"}, LINE, "data.n must be of type integer, got string"),
        ({"n": 1, "m m": 2}, LINE, None),
        (
            {"m m": 2},
            {"additionalProperties": {"type": "string"}},
            'data["m m"] must be of type string, got integer',
        ),
        ({"m": 2}, {"additionalProperties": False}, "data.m must not be given"),
        ([{"n": 1}, {}], {"items": LINE}, "data[1] has no n"),
        ([1, 2], {"prefixItems": [{"type": "integer"}, LINE]}, "data[1] must be of type object"),
        ([1], {"minItems": 2, "maxItems": 2}, "data must have 2 items, it has 1"),
        ([1], {"minItems": 2}, "data must have 2 to any number of items, it has 1"),
        ([1, 2], {"maxItems": 1}, "data must have 0 to 1 items, it has 2"),
        (1, {"anyOf": [{"type": "string"}, {"type": "integer"}]}, None),
        (
            [],
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "data must be of type string, got array or data must be of type integer, got array",
        ),
        ([], {"oneOf": [{"type": "string"}]}, "data must be of type string, got array"),
        ([], {"allOf": [{}, {"type": "string"}]}, "data must be of type string, got array"),
        ({"n": 0}, {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "null"}}}, "data must be"),
        # A reference that leads nowhere accepts all, as an unknown keyword does.
        (1, {"$ref": "#/$defs/gone"}, None),
        (1, {"pattern": "x", "format": "date"}, None),
    ],
)
def test_the_first_problem_is_told(value: Any, schema: Any, problem: str | None) -> None:
    found = problem_with(value, schema, "data")

    assert found == problem if problem is None else str(found).startswith(problem)


def test_a_type_that_contains_itself() -> None:
    schema: Any = {"properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}

    assert problem_with({"next": {"next": None}}, schema, "data") is None


def test_a_reference_to_itself_comes_to_an_end() -> None:
    assert MAX_DEPTH < 500
    assert problem_with(1, {"$ref": "#"}, "data") is None
