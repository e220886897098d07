"""The context of a run in fields, or as JSON."""

from __future__ import annotations

import json

from tables import each_row

from cloaca_core.values.payloads.json_schema import Schema
from cloaca_tools.ui.forms.context_input import context_input, entered_context, other_inputs

SHAPE = '{"amount": 7, "lines": ["a"]}'
FILLED = {"shape": SHAPE, "data.amount": "8", "data.lines.0": "b", "more": ""}


@each_row("text", ["", "{}", '{"": 1}'])
def test_a_context_without_names_is_json(text: str) -> None:
    found = context_input(text)

    assert (found.text, found.fields) == (text, ())


def test_a_context_has_the_fields_of_its_keys() -> None:
    found = context_input(SHAPE)

    assert [each.key for each in found.fields] == ["amount", "lines"]
    assert (found.shape, found.text) == (SHAPE, "")
    assert context_input(SHAPE, "json").text == SHAPE


DECLARED: Schema = {
    "type": "object",
    "properties": {
        "order_id": {"type": "integer"},
        "at": {"type": "string", "format": "date-time"},
        "note": {"type": "string", "default": "none"},
        "to": {"$ref": "#/$defs/Place"},
    },
    "required": ["order_id", "at", "to"],
    "$defs": {"Place": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def test_a_declared_input_has_the_fields_of_its_type_with_known_values() -> None:
    found = context_input('{"order_id": 7, "other": [1]}', declared=DECLARED)

    shown = [(each.key, each.kind, each.value, each.required) for each in found.fields]
    assert shown == [
        ("order_id", "integer", "7", True),
        ("at", "text", "", True),
        ("note", "text", "none", False),
        ("to", "group", "", True),
    ]
    assert found.is_declared
    assert found.fields[1].hint == "A date and time (2026-12-31T18:30:00)"
    assert [each.key for each in found.fields[3].parts] == ["city"]
    assert json.loads(found.more) == {"other": [1]}
    assert not context_input('{"order_id": 7}', "json", DECLARED).fields


def test_the_fields_of_a_declared_input_are_read_by_its_schema() -> None:
    given = {"declared": "yes", "shape": '{"order_id": 7}', "more": '{"other": 1}'}
    given |= {
        "data.order_id": "8",
        "data.at": "2026-12-01",
        "data.note": "",
        "data.to.city": "Oslo",
    }

    found = entered_context(given, DECLARED)
    value = {"order_id": 8, "at": "2026-12-01", "note": "", "to": {"city": "Oslo"}, "other": 1}
    assert (found.is_right, found.value) == (True, value)
    wrong = entered_context({**given, "data.order_id": "x"}, DECLARED)
    assert (wrong.is_right, wrong.is_declared) == (False, True)
    assert wrong.fields[0].error == "must be a whole number"
    as_json = other_inputs({**given, "as": "json"}, DECLARED)
    assert as_json is not None
    assert json.loads(as_json.text) == value
    fields = other_inputs({"context": as_json.text, "as": "fields"}, DECLARED)
    assert fields is not None
    assert (fields.is_declared, fields.fields[0].value) == (True, "8")


def test_other_keys_stand_beside_the_fields() -> None:
    found = entered_context({**FILLED, "more": '{"new": 1}'})

    assert (found.is_right, found.value) == (True, {"amount": 8, "lines": ["b"], "new": 1})


@each_row(
    ("given", "says"),
    [
        ({**FILLED, "more": "[1]"}, "must be a JSON object"),
        ({"context": "{"}, "is not JSON"),
        ({"shape": "{"}, "is not JSON"),
    ],
)
def test_what_is_no_object_is_told(given: dict[str, str], says: str) -> None:
    found = entered_context(given)

    assert (found.is_right, found.value) == (False, None)
    assert says in found.error
    assert other_inputs(given) is None


def test_a_wrong_field_stays_as_it_was_filled_in_also_when_json_is_asked_for() -> None:
    wrong = {**FILLED, "data.amount": "many"}
    asked = other_inputs({**wrong, "as": "json"})

    assert asked is not None
    assert asked == entered_context(wrong)
    assert (asked.is_right, asked.value, asked.fields[0].value) == (False, None, "many")


def test_json_has_what_was_entered_in_fields() -> None:
    as_json = other_inputs({**FILLED, "as": "json"})
    back = other_inputs({"context": SHAPE, "as": "fields"})

    assert as_json is not None
    assert back is not None
    assert json.loads(as_json.text) == {"amount": 8, "lines": ["b"]}
    assert back.fields == context_input(SHAPE).fields


def test_a_row_more_has_the_focus() -> None:
    more = other_inputs({**FILLED, "add": "data.lines"})
    fewer = other_inputs({**FILLED, "remove": "data.lines.0"})

    assert more is not None
    assert fewer is not None
    assert [(each.value, each.has_focus) for each in more.fields[1].parts] == [
        ("b", False),
        ("", True),
    ]
    assert (fewer.fields[1].parts, fewer.fields[1].has_focus) == ((), True)
