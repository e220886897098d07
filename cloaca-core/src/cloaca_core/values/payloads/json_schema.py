"""Checks JSON values against JSON schemas, as far as those are made of types.

Knows the keywords that describe the fields of dataclasses and models: ``type``, ``properties``,
``required``, ``additionalProperties``, ``items``, ``prefixItems``, ``enum``, ``const``, ``allOf``,
``anyOf``, ``oneOf`` (of which it takes several as well as one), ``$ref`` within the schema, and the
bounds of numbers and lengths. Leaves all others alone, such as ``pattern``, and without ``formats``
``format`` too: a value that passes may still be refused by the model.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias, cast

from cloaca_core.values.missing import MISSING, Missing
from cloaca_core.values.payloads.json_formats import FORMATS
from cloaca_core.values.payloads.json_values import JsonValue, path_of, same_value, shown_path

Schema: TypeAlias = dict[str, JsonValue]

_LONGEST: Final = 80
"""Characters of a value that a message shows."""
_MOST_REFERENCES: Final = 16
"""So many references may lead to one another; a circle of them accepts every value."""


class Mismatch(NamedTuple):
    """A place where a value does not match its schema. ``reason`` says why, and begins with the
    place; ``wanted`` is what the schema asks for there, ``met`` the value that is there.
    """

    path: str
    reason: str
    wanted: str
    met: JsonValue | Missing


def mismatch(schema: Schema, value: JsonValue, path: str) -> str | None:
    """Say where the value, which is called ``path``, does not match the schema; None if it does."""
    found = SchemaCheck(schema).mismatch(schema, value, path)
    return None if found is None else found.reason


class SchemaCheck:
    """Checks values against a schema and its parts. ``root`` is the schema that references lead
    into. With ``formats`` texts must have the format that their schema names.
    """

    def __init__(self, root: Schema, *, formats: bool = False) -> None:
        self._root = root
        self._formats = formats

    def mismatch(
        self, schema: JsonValue, value: JsonValue, path: str, followed: int = 0
    ) -> Mismatch | None:
        """The first place where the value does not match; None if it matches everywhere."""
        if not isinstance(schema, dict):
            reason = f"{shown_path(path)} is not allowed"
            return Mismatch(path, reason, "nothing", value) if schema is False else None
        for found in self._mismatches(schema, value, path, followed):
            if found is not None:
                return found
        return None

    def _mismatches(
        self, schema: Schema, value: JsonValue, path: str, followed: int
    ) -> Iterator[Mismatch | None]:
        """The finding of each keyword. ``followed`` references led here since the value was last
        gone into.
        """
        if isinstance(target := schema.get("$ref"), str) and followed < _MOST_REFERENCES:
            yield self.mismatch(self._at(target), value, path, followed + 1)
        if (types := _types_of(schema)) and not any(_is_of(value, each) for each in types):
            reason = f"{shown_path(path)} must be {_either(types)}, not {_kind(value)}"
            yield Mismatch(path, reason, self.wanted(schema), value)
        yield _not_listed(schema, value, path)
        if self._formats and isinstance(value, str):
            yield _not_formatted(schema, value, path)
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
    ) -> Mismatch | None:
        """The reason of the one form that a value of its type could have; else all of them."""
        found = [self.mismatch(form, value, path, followed) for form in forms]
        if None in found:
            return None
        place = shown_path(path)
        known = [each for each in found if each is not None]
        deeper = [each for each in known if not each.reason.startswith(f"{place} must be ")]
        if len(deeper) == 1:
            return deeper[0]
        texts = [each.reason.removeprefix(f"{place} must be ") for each in known]
        heads = [text.rpartition(", not ")[0] or text for text in texts]
        reason = f"{place} must be {_either(heads)}, not {_kind(value)}"
        return Mismatch(path, reason, _either([each.wanted for each in known]), value)

    def _members(
        self, schema: Schema, value: dict[str, JsonValue], path: str
    ) -> Iterator[Mismatch | None]:
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        for name in cast("list[str]", schema.get("required") or ()):
            if name not in value:
                reason = f"{shown_path(path)} must have {name!r}"
                yield Mismatch(below(path, name), reason, self.wanted(known.get(name)), MISSING)
        others = schema.get("additionalProperties", True)
        for name, member in value.items():
            yield self.mismatch(known.get(name, others), member, below(path, name), 0)

    def wanted(self, schema: JsonValue, followed: int = 0) -> str:
        """The values that a schema accepts, in words."""
        if not isinstance(schema, dict):
            return "nothing" if schema is False else "a value"
        if isinstance(target := schema.get("$ref"), str) and followed < _MOST_REFERENCES:
            return self.wanted(self._at(target), followed + 1)
        if (format_of := _format_of(schema)) is not None:
            return FORMATS[format_of].words
        if listed := _accepted(schema):
            return _either([shown(each) for each in listed])
        for name in ("anyOf", "oneOf", "allOf") if followed < _MOST_REFERENCES else ():
            if forms := _forms(schema, name):
                return _either([self.wanted(form, followed + 1) for form in forms])
        return _either(_types_of(schema)) or "a value"

    def _items(
        self, schema: Schema, value: list[JsonValue], path: str
    ) -> Iterator[Mismatch | None]:
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


def _not_listed(schema: Schema, value: JsonValue, path: str) -> Mismatch | None:
    """A value that the schema's ``enum`` does not list."""
    accepted = _accepted(schema)
    if not accepted or any(same_value(value, each) for each in accepted):
        return None
    wanted = _either([shown(each) for each in accepted])
    reason = f"{shown_path(path)} must be {wanted}, not {shown(value)}"
    return Mismatch(path, reason, wanted, value)


def _accepted(schema: Schema) -> list[JsonValue]:
    """The values that a schema lists; none means any."""
    listed = schema.get("enum")
    accepted = listed if isinstance(listed, list) else []
    return [schema["const"]] if "const" in schema else accepted


def _not_formatted(schema: Schema, value: str, path: str) -> Mismatch | None:
    """A text without the format that its schema names."""
    if (name := _format_of(schema)) is None or FORMATS[name].has(value):
        return None
    words = FORMATS[name].words
    reason = f"{shown_path(path)} must be {words}, not {shown(value)}"
    return Mismatch(path, reason, words, value)


def _format_of(schema: Schema) -> str | None:
    """The known format of texts that a schema names."""
    named = [schema.get("format"), schema.get("contentEncoding")]
    return next((each for each in named if isinstance(each, str) and each in FORMATS), None)


_BOUNDS: Final[dict[str, tuple[str, str, Callable[[float, float], bool]]]] = {
    "minimum": ("must not be less than {}, got {}", "{} or more", operator.ge),
    "exclusiveMinimum": ("must not be {} or less, got {}", "more than {}", operator.gt),
    "maximum": ("must not be more than {}, got {}", "at most {}", operator.le),
    "exclusiveMaximum": ("must not be {} or more, got {}", "less than {}", operator.lt),
    "minLength": ("must have {} characters or more, not {}", "{} characters or more", operator.ge),
    "maxLength": ("must have at most {} characters, not {}", "at most {} characters", operator.le),
    "minItems": ("must have {} items or more, not {}", "{} items or more", operator.ge),
    "maxItems": ("must have at most {} items, not {}", "at most {} items", operator.le),
}
"""The reason against a value that is out of the bound of a keyword, the bound in words, and how a
value would be within.
"""


def _out_of_bounds(schema: Schema, value: JsonValue, path: str) -> Mismatch | None:
    """A number, or the length of a text or a list, that a bound of the schema excludes."""
    size, names = _measure(value)
    for name in names:
        bound = schema.get(name)
        if isinstance(bound, bool) or not isinstance(bound, int | float):
            continue
        reason, words, is_within = _BOUNDS[name]
        if not is_within(size, bound):
            why = f"{shown_path(path)} {reason.format(shown(bound), shown(size))}"
            return Mismatch(path, why, words.format(shown(bound)), value)
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


def below(path: str, name: str) -> str:
    """The path of a key within the value at ``path``, which may be empty."""
    if not path:
        return path_of(name)
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{json.dumps(name)}]"


def shown(value: JsonValue) -> str:
    """A value as a message shows it: JSON, cut if it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
