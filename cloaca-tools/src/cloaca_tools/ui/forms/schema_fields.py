"""The fields of a JSON schema, in which a person enters a value. Pure.

An object of texts, numbers, yes or no, and choices has a field for each of its properties. An
object in it is a group of fields; a list has a row for each item, and a spare one. For any other
value a person writes JSON. ``entered_data`` reads what was entered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field as of_dataclass, replace
from typing import Final, Literal, NamedTuple, TypeAlias

from cloaca_core.values.payloads.json_formats import FORMATS
from cloaca_core.values.payloads.json_schema import Schema
from cloaca_core.values.payloads.json_values import JsonValue, encode
from cloaca_tools.ui.words.texts import words_of

Kind: TypeAlias = Literal[
    "text", "area", "date", "number", "integer", "check", "choice", "json", "group", "list"
]
"""The look of an input; ``area`` is a text of several lines, ``json`` the same in JSON. A ``group``
has the fields of an object, a ``list`` a row for each of its items.
"""

WHOLE: Final = "data"
"""The name of the input in which a person writes the whole value as JSON."""
_LONG: Final = 60
"""A text that may be so long, or whose default is, gets several lines."""
_DEEPEST: Final = 4
"""Objects and lists in one another that have fields of their own; JSON below."""
_MOST_ROWS: Final = 100
_MOST_REFERENCES: Final = 16


@dataclass(frozen=True, slots=True)
class Field:
    """An input of a form. ``name`` is the input's name, ``key`` the property (or, of the whole
    value, empty). ``value`` is as the input shows it: of a ``check`` "on" or nothing, of a
    ``choice`` one of ``choices``, pairs of a value and its label. ``least``, ``most`` and ``step``
    are attributes of a number's input, or empty. ``parts`` are the fields of a group, or the rows
    of a list. What was asked for last ``has_focus``: of a list the button that adds a row. The key
    must be there if it is ``needed``; ``form`` is the schema of its value.
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
    parts: tuple[Field, ...] = ()
    has_focus: bool = False
    needed: bool = of_dataclass(default=False, compare=False)
    form: Schema = of_dataclass(default_factory=dict, compare=False, repr=False)


def every(fields: Sequence[Field]) -> Iterator[Field]:
    """These fields, and those within them."""
    for field in fields:
        yield field
        yield from every(field.parts)


def fields_of(
    schema: Mapping[str, JsonValue] | None, given: Mapping[str, str] | None = None
) -> tuple[Field, ...]:
    """The fields in which a value of this schema is entered; none without a schema. Lists have the
    rows of a form that was filled in, of which ``given`` are the values of inputs by name.
    """
    if schema is None:
        return ()
    root = dict(schema)
    properties = _properties(root)
    if properties is None:
        return (Field(WHOLE, "", "Data, as JSON", "json", required=True, form=root),)
    return _fields(_Place(root, WHOLE, given), root)


# -- from a schema to fields ---------------------------------------------------------------------


def _properties(root: Schema) -> dict[str, JsonValue] | None:
    """The properties of an object that is made of them alone; None for any other schema."""
    found = root.get("properties")
    others = any(name in root for name in ("anyOf", "oneOf", "allOf", "$ref"))
    if root.get("type", "object") != "object" or not isinstance(found, dict) or others:
        return None
    return found


class _Place(NamedTuple):
    """A place in a value: ``name`` is the name of its input, ``given`` is as in ``fields_of``.
    Inputs that are ``bare`` show no defaults, but in what is ticked.
    """

    root: Schema
    name: str
    given: Mapping[str, str] | None
    depth: int = 0
    bare: bool = False

    def within(self, key: object) -> _Place:
        """The place of a key, or of an item."""
        return self._replace(name=f"{self.name}.{key}", depth=self.depth + 1)


def _fields(place: _Place, plain: Schema, default: JsonValue = None) -> tuple[Field, ...]:
    """The fields of an object."""
    needed, known = list_of(plain.get("required")), default if isinstance(default, dict) else {}
    fields = []
    for key, form in (_properties(plain) or {}).items():
        own = {**form, "default": known[key]} if isinstance(form, dict) and key in known else form
        fields.append(_field(place.within(key), key, own, key in needed))
    return tuple(fields)


def _field(place: _Place, key: str, form: JsonValue, needed: bool) -> Field:
    given = form if isinstance(form, dict) else {}
    plain, nullable = _plain(place.root, given)
    default = given.get("default", plain.get("default"))
    field = Field(
        name=place.name,
        key=key,
        label=_label(key, given),
        kind="group",
        required=needed and not nullable,
        hint=text_of(given.get("description")) or text_of(plain.get("description")) or _form(plain),
        needed=needed,
        form=given,
    )
    if place.depth < _DEEPEST and _properties(plain):
        return replace(field, parts=_fields(place, plain, default))
    if place.depth < _DEEPEST and (items := _items(place.root, plain)) is not None:
        return replace(field, kind="list", parts=_rows(place, field.label, items, default))
    own = _input(field, plain, nullable, default)
    return replace(own, value="") if place.bare and own.kind != "check" else own


def _form(plain: Schema) -> str:
    """The form in which a text of a known format is written; that of a date has its own input."""
    names = [text_of(plain.get(each)) for each in ("format", "contentEncoding")]
    if "decimal" in names:
        return "A decimal number (12.50)"
    known = [FORMATS[name].words for name in names if name in FORMATS and name != "date"]
    return known[0][0].upper() + known[0][1:] if known else ""


def _items(root: Schema, plain: Schema) -> Schema | None:
    """The schema of the items of a list, if each has fields or an input of its own."""
    items = plain.get("items")
    if plain.get("type") != "array" or _listed(plain) or not isinstance(items, dict):
        return None
    of_item, nullable = _plain(root, items)
    is_alone = _kind(of_item) not in ("json", "check") and not nullable
    return items if is_alone or _properties(of_item) else None


def _rows(place: _Place, label: str, items: Schema, default: JsonValue) -> tuple[Field, ...]:
    """The rows of a list: as they were filled in, else those of its default and a spare one. Of a
    row without text nothing is sent, so the spare one has no defaults: they would be lost.
    """
    known = list_of(default) if place.given is None and not place.bare else []
    count = range(len(known) + 1)
    numbers = count if place.given is None else rows_given(place.given, place.name)
    rows = []
    for at, number in enumerate(numbers):
        form = {**items, "default": known[at]} if at < len(known) else items
        own = place.within(number)._replace(bare=place.bare or at >= len(known))
        row = _field(own, str(number), form, needed=False)
        rows.append(replace(row, label=f"{label} {at + 1}"))
    return tuple(rows)


def rows_given(given: Mapping[str, str], name: str) -> list[int]:
    """The numbers of the rows of a list that a form has."""
    found = {
        each.removeprefix(f"{name}.").partition(".")[0] for each in given if is_within(each, name)
    }
    numbers = [int(each) for each in found if each.isascii() and each.isdecimal() and len(each) < 9]
    return sorted(numbers)[:_MOST_ROWS]


def is_within(name: str, place: str) -> bool:
    return bool(place) and (name == place or name.startswith(f"{place}."))


def _input(field: Field, plain: Schema, nullable: bool, default: JsonValue) -> Field:
    """The field of a value that has an input of its own."""
    kind, needed = _kind(plain), field.needed
    field = replace(
        field,
        kind=kind,
        value=_shown(kind, default),
        required=field.required and kind != "check",
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
        ways = [list_of(form.get(name)) for name in ("anyOf", "oneOf", "allOf")]
        forms = next(filter(None, ways), [])
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
            most, default = plain.get("maxLength"), text_of(plain.get("default"))
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
    return [plain["const"]] if "const" in plain else list_of(plain.get("enum"))


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
    return words_of(text_of(form.get("title")) or key)


def _shown(kind: Kind, value: JsonValue) -> str:
    """A default value as the input shows it."""
    if value is None:
        return ""
    if kind == "check":
        return "on" if value is True else ""
    if kind == "json":
        return json.dumps(value, ensure_ascii=False, indent=1)
    return value if isinstance(value, str) else encode(value)


# -- small things --------------------------------------------------------------------------------


def list_of(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def text_of(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""


def _number(value: JsonValue) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return encode(value) if is_number else ""
