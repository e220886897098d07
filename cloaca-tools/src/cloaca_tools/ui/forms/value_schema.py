"""The schema of a JSON object as a person edits it: of its keys, with its values as defaults. Pure.

A key has fields where their texts, sent as they are, make its value again; any other key is edited
as JSON. So nothing changes that a person has not changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from cloaca_core.values.payloads.json_schema import Schema
from cloaca_core.values.payloads.json_values import JsonValue, same_value
from cloaca_tools.ui.forms.entered_data import entered
from cloaca_tools.ui.forms.schema_fields import Field, every, fields_of

_MOST_ROWS: Final = 20
"""A longer list is JSON."""
_LONG: Final = 120
"""A longer text has several lines."""
_UNBOUND: Final = 2**31
_UNSHOWN: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]|^\n")
"""What an input of a browser does not keep."""
_NULL: Final[Schema] = {"type": "null"}
_AS_JSON: Final[Schema] = {"anyOf": [{}, _NULL]}


def value_schema(value: Mapping[str, JsonValue]) -> Schema:
    """The schema of an object, with its keys in their order."""
    schema = _alone({key: _form([each]) for key, each in value.items()}, value)
    again = entered(schema, _sent(fields_of(schema)))
    kept = again.value if isinstance(again.value, dict) else {}
    wrong = {field.key for field in again.fields if any(each.error for each in every([field]))}
    forms: dict[str, Schema] = {}
    for key, each in value.items():
        keeps = key in kept and same_value(kept[key], each) and key not in wrong and "." not in key
        forms[key] = _form([each]) if keeps else _AS_JSON
    return _alone(forms, value)


def _alone(forms: Mapping[str, Schema], value: Mapping[str, JsonValue]) -> Schema:
    properties: dict[str, JsonValue] = {
        key: {**form, "default": value[key]} for key, form in forms.items()
    }
    stay: list[JsonValue] = [
        key
        for key, form in forms.items()
        if value[key] is None or form.get("type") in ("object", "array")
    ]
    return {"type": "object", "properties": properties, "required": stay}


def _sent(fields: Sequence[Field]) -> dict[str, str]:
    """The values of inputs, by name, as a browser sends them where a person changes nothing."""
    inputs = [each for each in every(fields) if each.kind != "list"]
    return {each.name: each.value for each in inputs if each.kind != "check" or each.value}


# -- what values that stand in one place have in common ------------------------------------------


def _form(values: Sequence[JsonValue]) -> Schema:
    given = [value for value in values if value is not None]
    plain = _plain(given)
    return plain if len(given) == len(values) else {"anyOf": [plain, _NULL]}


def _plain(values: Sequence[JsonValue]) -> Schema:
    """The schema of values of one type; of any other values a schema that takes them all."""
    texts = [value for value in values if isinstance(value, str)]
    objects = [value for value in values if isinstance(value, dict)]
    lists = [value for value in values if isinstance(value, list)]
    truths = [value for value in values if isinstance(value, bool)]
    numbers = [value for value in values if type(value) in (int, float)]
    match [bool(each) and len(each) == len(values) for each in (texts, objects, lists, truths)]:
        case [True, *_]:
            return _text(texts)
        case [_, True, *_]:
            return _object(objects)
        case [_, _, True, _]:
            items = [item for each in lists for item in each]
            return {"type": "array", "items": _form(items)} if len(items) <= _MOST_ROWS else {}
        case [_, _, _, True]:
            return {"type": "boolean"}
        case _:
            return {"type": "number"} if numbers and len(numbers) == len(values) else {}


def _text(values: Sequence[str]) -> Schema:
    if any(_UNSHOWN.search(value) for value in values):
        return {}
    long = any(len(value) > _LONG or "\n" in value for value in values)
    form: Schema = {"type": "string", "maxLength": _UNBOUND} if long else {"type": "string"}
    return {**form, "default": ""} if "" in values else form


def _object(values: Sequence[Mapping[str, JsonValue]]) -> Schema:
    keys = dict.fromkeys(key for value in values for key in value)
    if not keys or any("." in key or not key for key in keys):
        return {}
    at = {key: [value[key] for value in values if key in value] for key in keys}
    stay: list[JsonValue] = [key for key in keys if _stays(at[key], len(values))]
    properties: dict[str, JsonValue] = {key: _form(at[key]) for key in keys}
    return {"type": "object", "properties": properties, "required": stay}


def _stays(found: Sequence[JsonValue], objects: int) -> bool:
    """Whether a key is in each of the objects, and has a value even where its fields are empty."""
    lasting = any(isinstance(each, dict | list | bool | None) for each in found)
    return len(found) == objects and lasting
