"""The JSON value of filled-in fields. Pure.

``values/payloads/json_schema.py`` checks the value in the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

from cloaca_core.definition.waits.kinds import REJECT
from cloaca_core.errors import ContextValueError
from cloaca_core.values.payloads.json_schema import Schema, mismatch
from cloaca_core.values.payloads.json_values import JsonValue, decode
from cloaca_tools.ui.forms.schema_fields import (
    WHOLE,
    Field,
    every,
    fields_of,
    is_within,
    rows_given,
)

_NEEDED: Final = "is needed"
_DEFINITIONS: Final = ("$defs", "definitions")


@dataclass(frozen=True, slots=True)
class Entered:
    """The data that a person has entered: the JSON ``value``, None without a schema, and the
    ``fields`` as they were filled in, each with its error. ``error`` is about the whole.
    """

    value: JsonValue
    fields: tuple[Field, ...]
    error: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the value matches the schema."""
        return not self.error and not any(field.error for field in every(self.fields))


def entered(schema: Mapping[str, JsonValue] | None, given: Mapping[str, str]) -> Entered:
    """The value that a form was filled in with; ``given`` are the values of inputs by name."""
    if schema is None:
        return Entered(None, ())
    root = dict(schema)
    fields, value = _read_all(root, fields_of(schema, given), given)
    if [field.key for field in fields] == [""]:
        return Entered(value.get(""), fields)
    whole = "" if any(each.error for each in every(fields)) else mismatch(root, value, WHOLE) or ""
    return Entered(cast("JsonValue", value), fields, whole)


def decision_data(
    schema: Mapping[str, JsonValue] | None, choice: str, given: Mapping[str, str]
) -> Entered:
    """The data of a decision. A rejection needs none: it has no value unless all of it is right."""
    data = entered(schema, given)
    if choice == REJECT and not data.is_right:
        return Entered(None, _without_errors(data.fields))
    return data


def rearranged(
    schema: Mapping[str, JsonValue] | None, given: Mapping[str, str]
) -> tuple[Field, ...] | None:
    """The fields of a form that asks for one more row of the list that it names by ``add``, or for
    one row less by ``remove``; None of any other form.
    """
    add, remove = given.get("add", ""), given.get("remove", "")
    if not add and not remove:
        return None
    kept = {name: text for name, text in given.items() if not is_within(name, remove)}
    place = remove.rpartition(".")[0]
    if add:
        rows = rows_given(kept, add)
        place = f"{add}.{max(rows, default=-1) + 1}"
        kept[place] = ""
    return _focused(_without_errors(entered(schema, kept).fields), place)


def _focused(fields: Sequence[Field], name: str) -> tuple[Field, ...]:
    """The fields, of which the one of this name has the focus, or the first in its group."""
    return tuple([_with_focus(each, name) for each in fields])


def _with_focus(field: Field, name: str) -> Field:
    if field.kind == "group" and field.name == name and field.parts:
        first, *others = field.parts
        return replace(field, parts=(_with_focus(first, first.name), *others))
    is_here = field.name == name
    return replace(field, has_focus=is_here, parts=_focused(field.parts, name))


def _without_errors(fields: Sequence[Field]) -> tuple[Field, ...]:
    return tuple([replace(each, error="", parts=_without_errors(each.parts)) for each in fields])


# -- from fields to a value ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Read:
    """The value of a field; not ``is_given`` where its key is to be left out."""

    value: JsonValue = None
    error: str = ""
    is_given: bool = True


def _read_all(
    root: Schema, fields: Sequence[Field], given: Mapping[str, str]
) -> tuple[tuple[Field, ...], dict[str, JsonValue]]:
    """The fields as they were filled in, and the values of those that have one, by key."""
    filled, value = [], {}
    for field in fields:
        done, read = _filled(root, field, given)
        filled.append(done)
        if read.is_given:
            value[field.key] = read.value
    return tuple(filled), value


def _filled(root: Schema, field: Field, given: Mapping[str, str]) -> tuple[Field, _Read]:
    """A field as it was filled in, with its value."""
    if field.kind not in ("group", "list"):
        text = given.get(field.name, "")
        text = _lines(text if field.kind == "area" else text.strip())
        read = _read(root, field, text)
        return replace(field, value=text, error=read.error), read
    touched = field.parts if field.kind == "group" else _touched_rows(field, given)
    parts, value = _read_all(root, touched, given)
    is_used = field.required or any(_is_touched(part, given) for part in touched)
    if not is_used:
        shown, _ = _read_all(root, field.parts, given)
        return replace(field, parts=_without_errors(shown)), _left_out(root, field)
    whole: JsonValue = value if field.kind == "group" else list(value.values())
    error = "" if any(each.error for each in every(parts)) else _reason(root, field, whole)
    filled = {part.name: part for part in parts}
    shown = tuple([_as_filled(part, filled.get(part.name)) for part in field.parts])
    return replace(field, parts=shown, error=error), _Read(whole, error)


def _as_filled(field: Field, filled: Field | None) -> Field:
    """The field with what was entered; a row of a list need not be there."""
    return field if filled is None else replace(filled, required=field.required)


def _touched_rows(field: Field, given: Mapping[str, str]) -> tuple[Field, ...]:
    """The rows of a list in which something was entered; each of them is needed."""
    touched = [row for row in field.parts if _is_touched(row, given)]
    return tuple([replace(row, required=True, needed=True) for row in touched])


def _is_touched(field: Field, given: Mapping[str, str]) -> bool:
    """Whether something else was entered than what a new form has, or sends without a choice."""
    if field.kind in ("group", "list"):
        return any(_is_touched(part, given) for part in field.parts)
    text = _lines(given.get(field.name, "")).strip()
    if field.kind == "check":
        return text != field.value
    only = field.choices[0][0] if len(field.choices) == 1 else ""
    return text not in ("", field.value, only)


def _read(root: Schema, field: Field, text: str) -> _Read:
    """Read what an input has, and check it by the schema of its property."""
    if field.kind == "check":
        return _Read(bool(text))
    if not text:
        return _left_empty(root, field)
    try:
        value = _value(field, text)
    except (ValueError, ContextValueError) as error:
        return _Read(error=str(error))
    return _Read(value, _reason(root, field, value))


def _left_empty(root: Schema, field: Field) -> _Read:
    if field.required:
        return _Read(error=_NEEDED)
    if field.kind in ("text", "area") and (field.value or field.form.get("default") == ""):
        return _Read("", _reason(root, field, ""))  # a person has removed the default, or left it
    return _left_out(root, field)


def _left_out(root: Schema, field: Field) -> _Read:
    """The value of a field without any: null where its key must be there and may be null."""
    nullable = field.needed and mismatch(_property(root, field), None, field.key) is None
    return _Read(None) if nullable else _Read(is_given=False)


def _value(field: Field, text: str) -> JsonValue:
    """The value of a text; ValueError says what is expected."""
    match field.kind:
        case "integer":
            return _integer(text)
        case "number":
            return _real(text)
        case "choice":
            return _one_of(field, text)
        case "json":
            return _json(text)
        case _:
            return text


def _integer(text: str) -> int:
    try:
        return int(text) if len(text) < 400 else int("")
    except ValueError:
        raise ValueError("must be a whole number") from None


def _real(text: str) -> int | float:
    try:
        number = float(text)
        whole = int(text) if text.lstrip("+-").isdecimal() else None
    except ValueError:
        raise ValueError("must be a number, such as 12.5") from None
    if not math.isfinite(number):
        raise ValueError("must be a number, such as 12.5")
    return number if whole is None else whole


def _one_of(field: Field, text: str) -> JsonValue:
    if text not in [value for value, _ in field.choices]:
        raise ValueError("must be one of the choices")
    return decode(text)


def _json(text: str) -> JsonValue:
    try:
        return decode(text)
    except ContextValueError as error:
        raise ValueError(f"must be JSON: {error}") from None


def _reason(root: Schema, field: Field, value: JsonValue) -> str:
    """Why a value does not match the schema of its property, without its name; else empty."""
    place = field.key or WHOLE
    reason = mismatch(_property(root, field), value, place)
    return (reason or "").removeprefix(place).removeprefix(" ")


def _property(root: Schema, field: Field) -> Schema:
    """The schema of a property, with the definitions that references in it lead to."""
    if not field.key:
        return root
    named: Schema = {name: root[name] for name in _DEFINITIONS if name in root}
    return {**named, **field.form}


def _lines(text: str) -> str:
    """A text as it was meant: forms are sent with carriage returns."""
    return text.replace("\r\n", "\n")
