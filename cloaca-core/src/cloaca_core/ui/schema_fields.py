"""Fields of a form for a JSON schema, and the data that a filled form gives. Pure.

Knows objects of texts, numbers, booleans and enumerations; a property of another shape is a field
of JSON, and so is a schema that is no object.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from cloaca_core.errors import ContextValueError
from cloaca_core.values.json_values import decode

Kind: TypeAlias = Literal["text", "number", "integer", "boolean", "enum", "json"]
Filled: TypeAlias = Callable[[str], str | None]
"""Gives the text of a field by its name in the form; None where it is not there."""

PREFIX: Final = "data."
WHOLE: Final = "data"
"""The name of the one field of JSON for a schema that is no object."""
_KINDS: Final[Mapping[str, Kind]] = {
    "string": "text",
    "number": "number",
    "integer": "integer",
    "boolean": "boolean",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field: ``name`` is that in the form, ``key`` that in the data. ``choices`` are the values
    of an enumeration as JSON; ``value`` is what it shows, for a boolean "on" or nothing.
    """

    name: str
    key: str
    label: str
    kind: Kind
    required: bool
    hint: str = ""
    choices: tuple[str, ...] = ()
    value: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Entered:
    """The data of a form, None for none; and its fields, with an error for each that is wrong."""

    data: Any
    fields: tuple[Field, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether a field has an error."""
        return any(each.error for each in self.fields)


def fields_of(schema: Mapping[str, Any] | None) -> tuple[Field, ...]:
    """The fields for a schema, with its defaults; none without a schema."""
    if schema is None:
        return ()
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, dict) or not properties:
        return (Field(WHOLE, "", "Data", "json", required=True),)
    required = schema.get("required") or ()
    return tuple(
        [_field(schema, key, each, required=key in required) for key, each in properties.items()]
    )


def entered(schema: Mapping[str, Any] | None, filled: Filled) -> Entered:
    """What a form gives. A field that is left empty and need not be filled is left out."""
    fields = fields_of(schema)
    if not fields:
        return Entered(None, ())
    data: dict[str, Any] = {}
    told: list[Field] = []
    for each in fields:
        value, error = _read(each, filled(each.name))
        told.append(_with(each, value=filled(each.name) or "", error=error))
        if not error and value is not _LEFT_OUT:
            data[each.key] = value
    if len(fields) == 1 and fields[0].name == WHOLE:
        return Entered(data.get(""), tuple(told))
    return Entered(data, tuple(told))


def is_empty(schema: Mapping[str, Any] | None, filled: Filled) -> bool:
    """Whether nothing was filled in."""
    return all(not (filled(each.name) or "").strip() for each in fields_of(schema))


# -- a field -------------------------------------------------------------------------------------

_LEFT_OUT: Final = object()


def _field(root: Mapping[str, Any], key: str, schema: Any, *, required: bool) -> Field:
    found = _plain(root, schema)
    choices = _choices(found)
    kind: Kind = "enum" if choices else _KINDS.get(str(found.get("type")), "json")
    title, hint = found.get("title"), found.get("description")
    return Field(
        name=f"{PREFIX}{key}",
        key=key,
        label=title if isinstance(title, str) else key,
        kind=kind,
        required=required,
        hint=hint if isinstance(hint, str) else "",
        choices=choices,
        value=_default(kind, found),
    )


def _plain(root: Mapping[str, Any], schema: Any) -> Mapping[str, Any]:
    """A property's schema: that which it refers to, and of "X or null" the X."""
    found: Mapping[str, Any] = schema if isinstance(schema, dict) else {}
    for _ in range(4):
        target = found.get("$ref")
        if isinstance(target, str) and target.startswith("#/"):
            found = {**_at(root, target), **{k: v for k, v in found.items() if k != "$ref"}}
        parts = [each for each in found.get("anyOf") or () if isinstance(each, dict)]
        others = [each for each in parts if each.get("type") != "null"]
        if len(parts) == 2 and len(others) == 1:
            found = {**others[0], **{k: v for k, v in found.items() if k != "anyOf"}}
    return found


def _at(root: Mapping[str, Any], target: str) -> Mapping[str, Any]:
    found: Any = root
    for part in target[2:].split("/"):
        found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _choices(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if "const" in schema:
        return (json.dumps(schema["const"], ensure_ascii=False),)
    listed = schema.get("enum")
    if not isinstance(listed, list):
        return ()
    return tuple([json.dumps(each, ensure_ascii=False) for each in listed])


def _default(kind: Kind, schema: Mapping[str, Any]) -> str:
    value = schema.get("default")
    if value is None:
        return ""
    if kind == "boolean":
        return "on" if value is True else ""
    if kind == "text":
        return str(value)
    return json.dumps(value, ensure_ascii=False)


# -- what was filled in --------------------------------------------------------------------------


def _read(field: Field, given: str | None) -> tuple[Any, str]:
    """The value of a field, and why it is none."""
    if field.kind == "boolean":
        return given is not None, ""
    text = (given or "").strip()
    if not text:
        return _LEFT_OUT, "Fill this in." if field.required else ""
    match field.kind:
        case "text":
            return given, ""
        case "integer":
            return _whole(text)
        case "number":
            return _number(text)
        case "enum":
            if text in field.choices:
                return json.loads(text), ""
            return _LEFT_OUT, "Choose one of these."
        case _:
            return _json(text)


def _whole(text: str) -> tuple[Any, str]:
    try:
        return int(text), ""
    except ValueError:
        return _LEFT_OUT, "This is to be a whole number."


def _number(text: str) -> tuple[Any, str]:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        return _LEFT_OUT, "This is to be a number."
    return (int(value) if value.is_integer() and "." not in text else value), ""


def _json(text: str) -> tuple[Any, str]:
    try:
        return decode(text), ""
    except ContextValueError as error:
        return _LEFT_OUT, f"This is not JSON: {error}."


def _with(field: Field, *, value: str, error: str) -> Field:
    return Field(
        field.name,
        field.key,
        field.label,
        field.kind,
        field.required,
        field.hint,
        field.choices,
        value,
        error,
    )
