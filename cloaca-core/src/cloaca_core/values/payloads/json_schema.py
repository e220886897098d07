"""Checks JSON values against JSON schemas, as far as those are made of types.

Knows the keywords that describe the fields of dataclasses and models: ``type``, ``properties``,
``required``, ``additionalProperties``, ``items``, ``prefixItems``, ``enum``, ``const``, ``allOf``,
``anyOf``, ``oneOf`` (of which it takes several as well as one), ``$ref`` within the schema, and the
bounds of numbers and lengths. Leaves all others alone, such as ``pattern`` and ``format``: a value
that passes may still be refused by the model.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias, cast

from cloaca_core.values.payloads.json_values import JsonValue, same_value, shown_path

Schema: TypeAlias = dict[str, JsonValue]

_LONGEST: Final = 80
"""Characters of a value that a message shows."""
_MOST_REFERENCES: Final = 16
"""So many references may lead to one another; a circle of them accepts every value."""


def mismatch(schema: Schema, value: JsonValue, path: str) -> str | None:
    """Say where the value, which is called ``path``, does not match the schema; None if it does."""
    return _Check(schema).mismatch(schema, value, path, 0)


class _Check:
    """``root`` is the schema that references lead into."""

    def __init__(self, root: Schema) -> None:
        self._root = root

    def mismatch(self, schema: JsonValue, value: JsonValue, path: str, followed: int) -> str | None:
        if not isinstance(schema, dict):
            return f"{shown_path(path)} is not allowed" if schema is False else None
        for found in self._mismatches(schema, value, path, followed):
            if found is not None:
                return found
        return None

    def _mismatches(
        self, schema: Schema, value: JsonValue, path: str, followed: int
    ) -> Iterator[str | None]:
        """The finding of each keyword. ``followed`` references led here since the value was last
        gone into.
        """
        if isinstance(target := schema.get("$ref"), str) and followed < _MOST_REFERENCES:
            yield self.mismatch(self._at(target), value, path, followed + 1)
        if (types := _types_of(schema)) and not any(_is_of(value, each) for each in types):
            yield f"{shown_path(path)} must be {_either(types)}, not {_kind(value)}"
        yield _not_listed(schema, value, path)
        if followed < _MOST_REFERENCES:
            for part in _forms(schema, "allOf"):
                yield self.mismatch(part, value, path, followed + 1)
            for name in ("anyOf", "oneOf"):
                if forms := _forms(schema, name):
                    yield self._none_of(forms, value, path, followed + 1)
        yield _out_of_bounds(schema, value, path)
        if isinstance(value, dict):
            yield from self._members(schema, value, path)
        if isinstance(value, list):
            yield from self._items(schema, value, path)

    def _at(self, target: str) -> JsonValue:
        """The part of the schema that a reference names; a missing part accepts every value."""
        place: JsonValue = self._root
        for step in target.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            place = place.get(name) if isinstance(place, dict) else None
        return place

    def _none_of(
        self, forms: list[JsonValue], value: JsonValue, path: str, followed: int
    ) -> str | None:
        """The reason of the one form that a value of its type could have; else all of them."""
        reasons = [self.mismatch(form, value, path, followed) for form in forms]
        if None in reasons:
            return None
        place = shown_path(path)
        deeper = [each for each in reasons if each and not each.startswith(f"{place} must be ")]
        if len(deeper) == 1:
            return deeper[0]
        texts = [each.removeprefix(f"{place} must be ") for each in reasons if each]
        heads = [text.rpartition(", not ")[0] or text for text in texts]
        return f"{place} must be {_either(heads)}, not {_kind(value)}"

    def _members(
        self, schema: Schema, value: dict[str, JsonValue], path: str
    ) -> Iterator[str | None]:
        for name in cast("list[str]", schema.get("required") or ()):
            if name not in value:
                yield f"{shown_path(path)} must have {name!r}"
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        others = schema.get("additionalProperties", True)
        for name, member in value.items():
            place = f"{path}.{name}" if name.isidentifier() else f"{path}[{json.dumps(name)}]"
            yield self.mismatch(known.get(name, others), member, place, 0)

    def _items(self, schema: Schema, value: list[JsonValue], path: str) -> Iterator[str | None]:
        first = schema.get("prefixItems")
        forms = first if isinstance(first, list) else []
        rest = schema.get("items", True)
        for number, item in enumerate(value):
            form = forms[number] if number < len(forms) else rest
            yield self.mismatch(form, item, f"{path}[{number}]", 0)


# -- one value -----------------------------------------------------------------------------------

_NAMES: Final = {
    "null": "null",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "string": "a text",
    "array": "a list",
    "object": "an object",
}


def _types_of(schema: Schema) -> list[str]:
    """The names of the types that the schema accepts; none means any."""
    given = schema.get("type")
    names = given if isinstance(given, list) else [given]
    return [name for name in names if isinstance(name, str) and name in _NAMES]


def _is_of(value: JsonValue, name: str) -> bool:
    kind = _type_of(value)
    return kind == name or (kind == "integer" and name == "number")


def _type_of(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"


def _kind(value: JsonValue) -> str:
    return "false" if value is False else "true" if value is True else _NAMES[_type_of(value)]


def _either(names: list[str]) -> str:
    return " or ".join(dict.fromkeys(_NAMES.get(name, name) for name in names))


def _not_listed(schema: Schema, value: JsonValue, path: str) -> str | None:
    """A value that the schema's ``enum`` does not list."""
    listed = schema.get("enum")
    accepted = listed if isinstance(listed, list) else []
    if "const" in schema:
        accepted = [schema["const"]]
    if not accepted or any(same_value(value, each) for each in accepted):
        return None
    return f"{shown_path(path)} must be {_either([_text(a) for a in accepted])}, not {_text(value)}"


_BOUNDS: Final[dict[str, tuple[str, Callable[[float, float], bool]]]] = {
    "minimum": ("must not be less than {}, got {}", operator.ge),
    "exclusiveMinimum": ("must not be {} or less, got {}", operator.gt),
    "maximum": ("must not be more than {}, got {}", operator.le),
    "exclusiveMaximum": ("must not be {} or more, got {}", operator.lt),
    "minLength": ("must have {} characters or more, not {}", operator.ge),
    "maxLength": ("must have at most {} characters, not {}", operator.le),
    "minItems": ("must have {} items or more, not {}", operator.ge),
    "maxItems": ("must have at most {} items, not {}", operator.le),
}
"""The reason against a value that is out of the bound of a keyword, and how it would be within."""


def _out_of_bounds(schema: Schema, value: JsonValue, path: str) -> str | None:
    """A number, or the length of a text or a list, that a bound of the schema excludes."""
    size, names = _measure(value)
    for name in names:
        bound = schema.get(name)
        if isinstance(bound, bool) or not isinstance(bound, int | float):
            continue
        reason, is_within = _BOUNDS[name]
        if not is_within(size, bound):
            return f"{shown_path(path)} {reason.format(_text(bound), _text(size))}"
    return None


def _measure(value: JsonValue) -> tuple[int | float, Sequence[str]]:
    """The number that bounds are compared with, and the keywords that give the bounds."""
    match value:
        case bool() | None | dict():
            return 0, ()
        case int() | float():
            return value, ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
        case str():
            return len(value), ("minLength", "maxLength")
        case list():
            return len(value), ("minItems", "maxItems")


def _forms(schema: Schema, name: str) -> list[JsonValue]:
    """The schemas that a keyword lists."""
    given = schema.get(name)
    return given if isinstance(given, list) else []


def _text(value: JsonValue) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
