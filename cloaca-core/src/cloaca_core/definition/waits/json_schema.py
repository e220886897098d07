"""The JSON schema of a type, for people and programs that give values of it without its code.

For dataclasses, models with pydantic's ``model_json_schema``, and the types that may stand in
their fields; the same types as ``values/payloads/value_forms.py`` takes.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import types
import typing
from typing import Any, ClassVar, Final, TypeAlias, cast

from cloaca_core.errors import ContextError, DefinitionTypeError
from cloaca_core.values.payloads.json_values import JsonValue, normalise

Schema: TypeAlias = dict[str, JsonValue]

_SIMPLE: Final[dict[Any, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    tuple: "array",
    dict: "object",
    None: "null",
    type(None): "null",
    collections.abc.Mapping: "object",
    collections.abc.Sequence: "array",
}


def schema_of(parameter: str, kind: Any) -> Schema:
    """The JSON schema of values of a dataclass or model; ``DefinitionTypeError`` for other types,
    and for a field of a type without JSON form. ``parameter`` is the option's name.
    """
    if not isinstance(kind, type) or not (dataclasses.is_dataclass(kind) or is_model(kind)):
        raise DefinitionTypeError(
            f"{parameter} must be a dataclass or a model with model_json_schema, got {kind!r:.80}"
        )
    if is_model(kind):
        return _of_model(kind)
    return Schemas(parameter, kind).root()


def is_model(kind: type) -> bool:
    return hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate")


def _of_model(kind: Any) -> Schema:
    return cast("Schema", normalise(kind.model_json_schema(), f"schema of {kind.__name__}"))


class Schemas:
    """Schemas of one root type and of the types in it. Dataclasses within it, which may refer to
    each other, are definitions of the root's schema.
    """

    is_closed: ClassVar[bool] = True
    """Whether an object of a dataclass has no other keys than its fields."""

    def __init__(self, parameter: str, root: type) -> None:
        self._parameter = parameter
        self._root = root
        self._names: dict[type, str] = {}
        self._defs: dict[str, JsonValue] = {}

    def root(self) -> Schema:
        """The schema of the root."""
        schema = self._of_fields(self._root)
        return {**schema, "$defs": self._defs} if self._defs else schema

    def of(self, kind: Any) -> Schema:
        """The schema of a type within the root; it may refer to definitions of the root."""
        if kind in (Any, object) or isinstance(kind, typing.TypeVar):
            return {}
        if kind in _SIMPLE:
            return {"type": _SIMPLE[kind]}
        if isinstance(kind, typing.NewType):
            return self.of(kind.__supertype__)
        if (origin := typing.get_origin(kind)) is not None:
            return self._of_parts(kind, origin, typing.get_args(kind))
        if isinstance(kind, type) and (dataclasses.is_dataclass(kind) or is_model(kind)):
            return self._reference(kind)
        if typing.is_typeddict(kind):
            return self._of_members(kind)
        if (alias := getattr(kind, "__value__", None)) is not None:  # type X = …
            return self.of(alias)
        raise self._unsupported(kind)

    def _of_parts(self, kind: Any, origin: Any, parts: tuple[Any, ...]) -> Schema:
        if origin is typing.Literal:
            return {"enum": [normalise(each, "a Literal") for each in parts]}
        if origin in (typing.Annotated, typing.Required, typing.NotRequired):
            return self.of(parts[0])
        if origin in (typing.Union, types.UnionType):
            return {"anyOf": [self.of(part) for part in parts]}
        if origin in (list, collections.abc.Sequence):
            return {"type": "array", "items": self.of(parts[0])}
        if origin is tuple:
            return self._of_tuple(parts)
        if origin in (dict, collections.abc.Mapping):
            return {"type": "object", "additionalProperties": self.of(parts[1])}
        raise self._unsupported(kind)

    def _of_tuple(self, parts: tuple[Any, ...]) -> Schema:
        if len(parts) == 2 and parts[1] is Ellipsis:
            return {"type": "array", "items": self.of(parts[0])}
        return {
            "type": "array",
            "prefixItems": [self.of(part) for part in parts],
            "minItems": len(parts),
            "maxItems": len(parts),
        }

    def _reference(self, kind: type) -> Schema:
        if kind is self._root:
            return {"$ref": "#"}
        if is_model(kind):
            return self._embedded(kind)
        if kind not in self._names:
            name = self._new_name(kind)
            self._defs[name] = self._of_fields(kind)
        return {"$ref": f"#/$defs/{self._names[kind]}"}

    def _embedded(self, kind: type) -> Schema:
        """A model in a dataclass: its definitions move to the root."""
        schema = _of_model(kind)
        self._defs.update(cast("Schema", schema.pop("$defs", {})))
        return schema

    def _new_name(self, kind: type) -> str:
        taken = self._names.values()
        name, count = kind.__name__, 1
        while name in taken:
            count += 1
            name = f"{kind.__name__}{count}"
        self._names[kind] = name
        return name

    def _of_fields(self, kind: type) -> Schema:
        hints = self._hints(kind)
        fields = [each for each in dataclasses.fields(cast("Any", kind)) if each.init]
        required = [each.name for each in fields if _is_required(each)]
        schema = self._object(kind, {each.name: hints[each.name] for each in fields}, required)
        properties = cast("dict[str, Schema]", schema["properties"])
        for each in fields:
            if each.default is not dataclasses.MISSING:
                self._note_default(properties[each.name], each.name, each.default)
        return {**schema, "additionalProperties": False} if self.is_closed else schema

    def _of_members(self, kind: Any) -> Schema:
        """Of a TypedDict. It knows which members are required only if its annotations are no text:
        the types of the members know it too.
        """
        hints = self._hints(kind)
        marks = {name: typing.get_origin(hint) for name, hint in hints.items()}
        required = [
            name
            for name, mark in marks.items()
            if mark is typing.Required
            or (name in kind.__required_keys__ and mark is not typing.NotRequired)
        ]
        return self._object(kind, hints, required)

    def _object(self, kind: type, fields: dict[str, Any], required: list[str]) -> Schema:
        properties: Schema = {name: self.of(each) for name, each in fields.items()}
        schema: Schema = {"title": kind.__name__, "type": "object", "properties": properties}
        if required:
            schema["required"] = cast("list[JsonValue]", required)
        return schema

    def _note_default(self, schema: Schema, _: str, default: object) -> None:
        """Add the default of a field to its schema."""
        with contextlib.suppress(ContextError):  # of another type: only the code has it
            schema["default"] = normalise(default)

    def _hints(self, kind: type) -> dict[str, Any]:
        try:
            return typing.get_type_hints(kind, include_extras=True)
        except Exception as error:
            raise DefinitionTypeError(
                f"{self._parameter}: the annotations of {kind.__name__} cannot be read: {error}"
            ) from error

    def _unsupported(self, kind: Any) -> DefinitionTypeError:
        name = kind.__qualname__ if isinstance(kind, type) else str(kind)
        return DefinitionTypeError(
            f"{self._parameter}: a field of type {name} has no JSON form; fields are JSON values, "
            "dataclasses, models, or lists and mappings of those"
        )


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
