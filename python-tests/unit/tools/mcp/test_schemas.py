"""What the schemas of arguments let through."""

from __future__ import annotations

from tables import each_row

from cloaca_core.values.payloads.json_schema import Schema, mismatch
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_tools.mcp import schemas

D = "what it is"


@each_row(
    ("schema", "right", "wrong"),
    [
        (schemas.text(D), ["", "a"], [1, None, ["a"]]),
        (schemas.whole(D, 1, 3), [1, 3], [0, 4, 1.5, "1", True]),
        (schemas.seconds(D), [0, 1.5], [-1, "1s"]),
        (schemas.flag(D), [True, False], [1, "true"]),
        (schemas.texts(D), [[], ["a"]], ["a", [1]]),
        (schemas.text_by_name(D), [{}, {"a": "b"}], [{"a": 1}, "a=b"]),
        (schemas.values_by_name(D), [{}, {"a": [1]}], [[], "a"]),
        (schemas.anything(D), [None, 1, "a", [], {}], []),
    ],
    ids=["text", "whole", "seconds", "flag", "texts", "text_by_name", "values_by_name", "anything"],
)
def test_an_argument(schema: Schema, right: list[JsonValue], wrong: list[JsonValue]) -> None:
    assert [value for value in right if mismatch(schema, value, "it")] == []
    assert [value for value in wrong if not mismatch(schema, value, "it")] == []
    assert schema["description"] == D
