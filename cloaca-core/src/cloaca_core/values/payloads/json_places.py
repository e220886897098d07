"""Finds the value at a path of keys in a JSON object, and says what stands in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from cloaca_core.values.payloads.json_values import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.values.payloads.json_values import JsonValue


class Place(NamedTuple):
    """A place in a context, as messages write it, and the value there. ``fault`` says what
    stands in place of a value; None if there is a value.
    """

    path: str
    value: JsonValue
    fault: str | None = None


def at_path(given: Mapping[str, JsonValue], keys: Sequence[str]) -> Place:
    """Follow keys, each within the value of the one before it."""
    value: JsonValue = cast("dict[str, JsonValue]", given)
    place = ""
    for key in keys:
        if not isinstance(value, dict):
            fault = f"{kind_of(value)}; expected an object with the key {key!r:.80}"
            return Place(place, None, fault)
        place = f"{place}.{key}" if place else path_of(key)
        if key not in value:
            return Place(place, None, "nothing: its context has no such key")
        value = value[key]
    return Place(place, value)


def written_path(keys: Sequence[str]) -> str:
    """Keys, each within the value of the one before it, as messages write such a place."""
    return ".".join([path_of(keys[0]), *keys[1:]])


def kind_of(value: JsonValue) -> str:
    """The kind of a value, in a message."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case dict():
            return "an object"
        case list():
            return "a list"
