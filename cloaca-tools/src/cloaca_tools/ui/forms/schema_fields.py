"""The fields of a JSON schema, and the JSON value of filled-in fields. Pure.

An object of texts, numbers, yes or no, and choices has a field for each of its properties; for any
other value a person writes JSON. ``values/payloads/json_schema.py`` checks the value in the end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, cast

from cloaca_core.definition.waits.kinds import REJECT
from cloaca_core.errors import ContextValueError
from cloaca_core.values.payloads.json_schema import Schema, mismatch
from cloaca_core.values.payloads.json_values import JsonValue, decode, encode
from cloaca_tools.ui.words.texts import words_of

Kind: TypeAlias = Literal["text", "area", "date", "number", "integer", "check", "choice", "json"]
"""The look of an input; ``area`` is a text of several lines, ``json`` the same in JSON."""

WHOLE: Final = "data"
"""The name of the input in which a person writes the whole value as JSON."""
_NEEDED: Final = "is needed"
_LONG: Final = 60
"""A text that may be so long, or whose default is, gets several lines."""
_MOST_REFERENCES: Final = 16
_DEFINITIONS: Final = ("$defs", "definitions")


@dataclass(frozen=True, slots=True)
class Field:
    """An input of a form. ``name`` is the input's name, ``key`` the property (or, of the whole
    value, empty). ``value`` is as the input shows it: of a ``check`` "on" or nothing, of a
    ``choice`` one of ``choices``, pairs of a value and its label. ``least``, ``most`` and ``step``
    are attributes of a number's input, or empty.
    """

    name: str
    key: str
    label: str
    kind: Kind
    value: str = ""
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    error: str = ""
    least: str = ""
    most: str = ""
    step: str = ""


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
        return not self.error and not any(field.error for field in self.fields)


def fields_of(schema: Mapping[str, JsonValue] | None) -> tuple[Field, ...]:
    """The fields in which a value of this schema is entered; none without a schema."""
    if schema is None:
        return ()
    root = dict(schema)
    properties = _properties(root)
    if properties is None:
        return (Field(WHOLE, "", "Data, as JSON", "json", required=True),)
    needed = _list(root.get("required"))
    return tuple([_field(root, key, form, key in needed) for key, form in properties.items()])


def entered(schema: Mapping[str, JsonValue] | None, given: Mapping[str, str]) -> Entered:
    """The value that a form was filled in with; ``given`` are the values of inputs by name."""
    if schema is None:
        return Entered(None, ())
    root, value, fields = dict(schema), {}, []
    for field in fields_of(schema):
        text = given.get(field.name, "").strip() if field.kind != "area" else given.get(field.name)
        read = _read(root, field, _lines(text or ""))
        fields.append(replace(field, value=_lines(text or ""), error=read.error))
        if read.is_given:
            value[field.key] = read.value
    if [field.key for field in fields] == [""]:
        return Entered(value.get(""), tuple(fields))
    whole = "" if any(field.error for field in fields) else mismatch(root, value, WHOLE) or ""
    return Entered(cast("JsonValue", value), tuple(fields), whole)


def decision_data(
    schema: Mapping[str, JsonValue] | None, choice: str, given: Mapping[str, str]
) -> Entered:
    """The data of a decision. A rejection needs none: it has no value unless all of it is right."""
    data = entered(schema, given)
    if choice == REJECT and not data.is_right:
        untouched = [replace(field, error="") for field in data.fields]
        return Entered(None, tuple(untouched))
    return data


# -- from a schema to fields ---------------------------------------------------------------------


def _properties(root: Schema) -> dict[str, JsonValue] | None:
    """The properties of an object that is made of them alone; None for any other schema."""
    found = root.get("properties")
    others = any(name in root for name in ("anyOf", "oneOf", "allOf", "$ref"))
    if root.get("type", "object") != "object" or not isinstance(found, dict) or others:
        return None
    return found


def _field(root: Schema, key: str, form: JsonValue, needed: bool) -> Field:
    name, given = f"{WHOLE}.{key}", form if isinstance(form, dict) else {}
    plain, nullable = _plain(root, given)
    kind = _kind(plain)
    default = given.get("default", plain.get("default"))
    field = Field(
        name=name,
        key=key,
        label=_label(key, given),
        kind=kind,
        value=_shown(kind, default),
        required=needed and not nullable and kind != "check",
        hint=_text(given.get("description")) or _text(plain.get("description")),
        least=_number(plain.get("minimum")),
        most=_number(plain.get("maximum")),
        step={"integer": "1", "number": "any"}.get(kind, ""),
    )
    if kind == "check" and default is None and (nullable or not needed):
        field = replace(field, kind="choice")
    return replace(field, choices=_choices(field, plain), value=_chosen(field, default))


def _plain(root: Schema, form: Schema) -> tuple[Schema, bool]:
    """The schema of a value without references, and whether the value may be null as well."""
    nullable = False
    for _ in range(_MOST_REFERENCES):
        if isinstance(target := form.get("$ref"), str):
            form = _at(root, target)
            continue
        forms = _list(form.get("anyOf")) or _list(form.get("oneOf")) or _list(form.get("allOf"))
        others = [each for each in forms if isinstance(each, dict) and each.get("type") != "null"]
        if len(others) != 1:
            break
        nullable = nullable or len(others) < len(forms)
        form = others[0]
    types = form.get("type")
    if isinstance(types, list) and "null" in types and len(types) == 2:
        form, nullable = {**form, "type": next(t for t in types if t != "null")}, True
    return form, nullable


def _at(root: Schema, target: str) -> Schema:
    place: JsonValue = root
    for step in target.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        place = place.get(name) if isinstance(place, dict) else None
    return place if isinstance(place, dict) else {}


def _kind(plain: Schema) -> Kind:
    if _listed(plain):
        return "choice"
    match plain.get("type"):
        case "string" if plain.get("format") == "date":
            return "date"
        case "string":
            most, default = plain.get("maxLength"), _text(plain.get("default"))
            long = isinstance(most, int) and most > _LONG * 2
            return "area" if long or len(default) > _LONG or "\n" in default else "text"
        case "integer":
            return "integer"
        case "number":
            return "number"
        case "boolean":
            return "check"
        case _:
            return "json"


def _listed(plain: Schema) -> list[JsonValue]:
    """The values that a schema lists."""
    return [plain["const"]] if "const" in plain else _list(plain.get("enum"))


def _choices(field: Field, plain: Schema) -> tuple[tuple[str, str], ...]:
    """Values as JSON, with labels; the first one is empty where nothing need be chosen."""
    if field.kind != "choice":
        return ()
    values = _listed(plain) or [True, False]
    known = tuple([(encode(each), _label_of(each)) for each in values])
    nothing = ("", "choose…" if field.required else "not given")
    return known if field.required and len(known) < 2 else (nothing, *known)


def _chosen(field: Field, default: JsonValue) -> str:
    if field.kind != "choice" or default is None:
        return field.value
    return encode(default)


def _label_of(value: JsonValue) -> str:
    match value:
        case True:
            return "yes"
        case False:
            return "no"
        case None:
            return "none"
        case str():
            return value
        case _:
            return encode(value)


def _label(key: str, form: Schema) -> str:
    """The title of a property, else its key as words. That of a type would not tell two apart."""
    return words_of(_text(form.get("title")) or key)


def _shown(kind: Kind, value: JsonValue) -> str:
    """A default value as the input shows it."""
    if value is None:
        return ""
    if kind == "check":
        return "on" if value is True else ""
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, indent=1)
    return value if isinstance(value, str) else encode(value)


# -- from fields to a value ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Read:
    """The value of a field; not ``is_given`` where its key is to be left out."""

    value: JsonValue = None
    error: str = ""
    is_given: bool = True


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
    if field.kind in ("text", "area") and field.value:
        return _Read("", _reason(root, field, ""))  # a person has removed the default
    form = _property(root, field)
    nullable = mismatch(form, None, field.key) is None and field.key in _list(root.get("required"))
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
    form = (_properties(root) or {}).get(field.key)
    named: Schema = {name: root[name] for name in _DEFINITIONS if name in root}
    return {**named, **(form if isinstance(form, dict) else {})}


# -- small things --------------------------------------------------------------------------------


def _lines(text: str) -> str:
    """A text as it was meant: forms are sent with carriage returns."""
    return text.replace("\r\n", "\n")


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _number(value: JsonValue) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return encode(value) if is_number else ""
