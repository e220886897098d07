"""Checks a JSON value against a JSON schema, as far as schemas of dataclasses and models need it.

Keywords that are not listed here are left to the program that has the type: its model checks more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from cloaca_core.values.json_values import JsonValue, path_of, same_value

MAX_DEPTH: Final = 400
"""How deep a value and references are followed; values are nested at most half as deep."""

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "string": (str,),
    "array": (list,),
    "object": (dict,),
}


def problem_with(value: JsonValue, schema: Mapping[str, JsonValue], name: str) -> str | None:
    """The first thing that is wrong with a value; None if there is none. ``name`` is that of the
    value as a whole.
    """
    return next(_Check(schema).problems(value, schema, name, 0), None)


class _Check:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def problems(
        self, value: JsonValue, schema: Mapping[str, Any] | bool, path: str, depth: int
    ) -> Iterator[str]:
        if schema is True or depth > MAX_DEPTH:
            return
        if schema is False:
            yield f"{path} must not be given"
            return
        if "$ref" in schema:
            yield from self.problems(value, self._found(schema["$ref"]), path, depth + 1)
        yield from self._of_type(value, schema, path)
        yield from self._of_choice(value, schema, path, depth)
        for each in schema.get("allOf", ()):
            yield from self.problems(value, each, path, depth + 1)
        if isinstance(value, dict):
            yield from self._of_members(value, schema, path, depth)
        elif isinstance(value, list):
            yield from self._of_items(value, schema, path, depth)

    def _found(self, reference: str) -> Mapping[str, Any] | bool:
        """The part of the root's schema that a reference names, or one that accepts all."""
        found: Any = self._root
        for part in reference.removeprefix("#").split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or name not in found:
                return True
            found = found[name]
        return cast("Mapping[str, Any] | bool", found)

    def _of_type(self, value: JsonValue, schema: Mapping[str, Any], path: str) -> Iterator[str]:
        wanted = schema.get("type")
        names = [wanted] if isinstance(wanted, str) else list(wanted or ())
        if names and not any(_is(value, each) for each in names):
            yield f"{path} must be of type {' or '.join(names)}, got {_type_name(value)}"

    def _of_choice(
        self, value: JsonValue, schema: Mapping[str, Any], path: str, depth: int
    ) -> Iterator[str]:
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if values is not None and not any(same_value(value, each) for each in values):
            yield f"{path} must be one of {', '.join(map(repr, values))}, got {value!a:.80}"
        if any_of := schema.get("anyOf", schema.get("oneOf")):
            found = [next(self.problems(value, each, path, depth + 1), None) for each in any_of]
            if None not in found:
                yield " or ".join(dict.fromkeys([cast("str", each) for each in found]))

    def _of_members(
        self, value: dict[str, JsonValue], schema: Mapping[str, Any], path: str, depth: int
    ) -> Iterator[str]:
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{path} has no {name}"
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        for name, member in value.items():
            where = f"{path}{_joint(name)}"
            yield from self.problems(member, properties.get(name, others), where, depth + 1)

    def _of_items(
        self, value: list[JsonValue], schema: Mapping[str, Any], path: str, depth: int
    ) -> Iterator[str]:
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        if len(value) < least or (most is not None and len(value) > most):
            bound = f"{least}" if least == most else f"{least} to {most or 'any number of'}"
            yield f"{path} must have {bound} items, it has {len(value)}"
        first, others = schema.get("prefixItems", ()), schema.get("items", True)
        for index, item in enumerate(value):
            wanted = first[index] if index < len(first) else others
            yield from self.problems(item, wanted, f"{path}[{index}]", depth + 1)


def _is(value: JsonValue, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, (object,)))


def _type_name(value: JsonValue) -> str:
    return next((name for name in _TYPES if _is(value, name)), type(value).__name__)


def _joint(name: str) -> str:
    path = path_of(name)
    return path if path.startswith("[") else f".{path}"
