"""Objects and lists within the data of a decision."""

from __future__ import annotations

from dataclasses import dataclass, field

from tables import each_row

from cloaca_core.definition.waits.json_schema import schema_of
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_tools.ui.forms.entered_data import Entered, decision_data, entered, rearranged
from cloaca_tools.ui.forms.schema_fields import Field, every, fields_of

Given = dict[str, str]


@dataclass
class Address:
    street: str
    city: str = "Oslo"


@dataclass
class Line:
    sku: int
    broken: bool = False
    number: int = 1


@dataclass
class Order:
    address: Address
    other: Address | None = None
    lines: list[Line] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


ORDER = schema_of("schema", Order)
GOOD: Given = {"data.address.street": "Main street 1", "data.address.city": "Oslo"}


def named(fields: tuple[Field, ...]) -> dict[str, Field]:
    return {each.name: each for each in every(fields)}


def errors(found: Entered) -> dict[str, str]:
    return {each.name: each.error for each in every(found.fields) if each.error}


def test_an_object_has_a_field_for_each_property_and_a_list_a_spare_row() -> None:
    found = named(fields_of(ORDER))

    assert list(found) == [
        "data.address",
        "data.address.street",
        "data.address.city",
        "data.other",
        "data.other.street",
        "data.other.city",
        "data.lines",
        "data.lines.0",
        "data.lines.0.sku",
        "data.lines.0.broken",
        "data.lines.0.number",
        "data.words",
        "data.words.0",
    ]
    assert [found["data.address"].kind, found["data.lines"].kind] == ["group", "list"]
    assert (found["data.lines.0"].label, found["data.words.0"].kind) == ("Lines 1", "text")
    assert (found["data.address"].required, found["data.other"].required) == (True, False)


def test_rows_in_which_nothing_was_entered_are_left_out() -> None:
    given = {
        **GOOD,
        "data.lines.0": "",
        "data.lines.0.sku": "",
        "data.lines.0.number": "",
        "data.lines.2": "",
        "data.lines.2.sku": "7",
        "data.lines.2.broken": "on",
        "data.lines.2.number": "3",
        "data.words.0": "",
        "data.words.1": " a ",
    }

    found = entered(ORDER, given)

    assert errors(found) == {}
    assert found.value == {
        "address": {"street": "Main street 1", "city": "Oslo"},
        "lines": [{"sku": 7, "broken": True, "number": 3}],
        "words": ["a"],
    }


@each_row(
    ("given", "expected"),
    [
        ({"data.address.street": ""}, {"data.address.street": "is needed"}),
        ({"data.other.city": "Bergen"}, {"data.other.street": "is needed"}),
        ({"data.lines.1.sku": "x"}, {"data.lines.1.sku": "must be a whole number"}),
        ({"data.lines.1.broken": "on"}, {"data.lines.1.sku": "is needed"}),
    ],
)
def test_a_wrong_value_is_told_at_its_own_input_and_stays_there(
    given: Given, expected: Given
) -> None:
    found = entered(ORDER, {**GOOD, **given})

    assert errors(found) == expected
    assert not found.is_right
    (name,) = given
    assert named(found.fields)[name].value == given[name]
    assert decision_data(ORDER, "reject", {**GOOD, **given}).is_right


def test_a_list_as_a_whole_may_be_wrong() -> None:
    lines: JsonValue = {"type": "array", "items": {"type": "integer"}, "minItems": 2}
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"x": lines}, "required": ["x"]}

    assert errors(entered(schema, {"data.x.0": "1"})) == {
        "data.x": "must have 2 items or more, not 1"
    }


def test_a_default_fills_the_rows() -> None:
    words: JsonValue = {"type": "array", "items": {"type": "string"}, "default": ["a", "b"]}
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"x": words}}

    (found,) = fields_of(schema)

    assert [row.value for row in found.parts] == ["a", "b", ""]
    assert entered(schema, {"data.x.0": "a", "data.x.1": "", "data.x.2": ""}).value == {"x": ["a"]}


def test_what_stands_in_a_row_is_sent_also_if_it_is_a_default() -> None:
    """An empty row is left out: so no default stands in the spare one."""
    spare = named(fields_of(ORDER))
    given = {**GOOD, "data.lines.0.sku": "7", "data.lines.1.sku": "", "data.lines.1.number": "1"}

    assert spare["data.lines.0.number"].value == ""
    assert errors(entered(ORDER, given)) == {"data.lines.1.sku": "is needed"}
    assert errors(entered(ORDER, {**given, "data.lines.1.number": ""})) == {}


def test_a_choice_of_one_value_is_no_entry() -> None:
    """The browser sends it with the spare row."""
    parts: JsonValue = {"kind": {"const": "a"}, "n": {"type": "integer"}}
    row: JsonValue = {"type": "object", "properties": parts, "required": ["kind", "n"]}
    lines: JsonValue = {"type": "array", "items": row}
    schema: dict[str, JsonValue] = {"type": "object", "properties": {"x": lines}}
    sent = {"data.x.0": "", "data.x.0.kind": '"a"'}

    assert (entered(schema, sent).value, entered(schema, sent).is_right) == ({}, True)
    assert entered(schema, {**sent, "data.x.0.n": "1"}).value == {"x": [{"kind": "a", "n": 1}]}


def test_a_form_that_asks_for_a_row_comes_back_with_it() -> None:
    given = {**GOOD, "data.words.0": "a", "data.words.3": "b", "data.lines.0.sku": "x"}

    more = named(rearranged(ORDER, {**given, "add": "data.words"}) or ())
    less = named(rearranged(ORDER, {**given, "remove": "data.words.0"}) or ())

    rows = [name for name in more if name.startswith("data.words.")]
    assert rows == ["data.words.0", "data.words.3", "data.words.4"]
    assert (more["data.words.3"].value, more["data.lines.0.sku"].value) == ("b", "x")
    assert not any(each.error for each in more.values())
    assert [name for name in less if name.startswith("data.words.")] == ["data.words.3"]
    assert rearranged(ORDER, given) is None


def test_only_so_many_rows_are_read() -> None:
    given = {f"data.words.{number}": "x" for number in range(300)} | {"data.words.9999999999": "y"}

    value = entered(ORDER, {**GOOD, **given}).value

    assert isinstance(value, dict)
    assert value["words"] == ["x"] * 100


def test_objects_within_themselves_end_in_json() -> None:
    tree: dict[str, JsonValue] = {
        "type": "object",
        "properties": {"below": {"$ref": "#/$defs/Tree"}},
    }
    schema: dict[str, JsonValue] = {**tree, "$defs": {"Tree": tree}}

    assert [each.kind for each in every(fields_of(schema))] == ["group"] * 3 + ["json"]
