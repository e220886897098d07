"""The JSON schemas of types that a workflow may declare as its input.

Further keys of an object are allowed: a schedule and a trigger add some to the input of their runs.
"""

from __future__ import annotations

import dataclasses
import typing
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Final, cast
from uuid import UUID

from cloaca_core.definition.inputs.encoded import encoded
from cloaca_core.definition.inputs.params import WorkflowParams
from cloaca_core.definition.waits.json_schema import Schemas, is_model
from cloaca_core.errors import ContextError, DefinitionError, DefinitionTypeError
from cloaca_core.values.missing import Missing
from cloaca_core.values.payloads.json_schema import Schema, SchemaCheck
from cloaca_core.values.payloads.json_values import JsonValue, normalise

PARAMETER: Final = "input"

_TEXTS: Final[dict[Any, tuple[str, str]]] = {
    datetime: ("format", "date-time"),
    date: ("format", "date"),
    time: ("format", "time"),
    Decimal: ("format", "decimal"),
    UUID: ("format", "uuid"),
    bytes: ("contentEncoding", "base64"),
}
"""Types whose values are texts in JSON, each with the keyword that says of which format."""


class InputSchemas(Schemas):
    """Schemas of the types in an input. ``root`` is a dataclass, a ``TypedDict``, a class of
    pydantic, or the parameters of ``workflow_params``.
    """

    is_closed: ClassVar[bool] = False

    def __init__(self, root: Any) -> None:
        super().__init__(PARAMETER, root)
        self._kind = root

    def root(self) -> Schema:
        """The schema of the root; ``DefinitionTypeError`` for a type without JSON form."""
        if is_adapted(self._kind):
            return cast("Schema", normalise(adapter(self._kind).json_schema()))
        if isinstance(self._kind, WorkflowParams):
            schema = self._of_params(self._kind)
        elif typing.is_typeddict(self._kind):
            schema = self._of_members(self._kind)
        else:
            schema = self._of_fields(self._kind)
        whole = {**schema, "$defs": self._defs} if self._defs else schema
        self._check_defaults(whole)
        return whole

    def of(self, kind: Any) -> Schema:
        """The schema of a type within the root; it may refer to definitions of the root."""
        if (text := _TEXTS.get(kind) if isinstance(kind, type) else None) is not None:
            return {"type": "string", text[0]: text[1]}
        if isinstance(kind, type) and issubclass(kind, Enum):
            return {"enum": [normalise(each.value, kind.__name__) for each in kind]}
        if isinstance(kind, type) and is_adapted(kind) and not is_model(kind):
            return self._taken_in(cast("Schema", normalise(adapter(kind).json_schema())))
        if typing.is_typeddict(kind):
            return self._member_reference(kind)
        return super().of(kind)

    def _taken_in(self, schema: Schema) -> Schema:
        """The schema of a class of pydantic within the root: its definitions move to the root."""
        self._defs.update(cast("Schema", schema.pop("$defs", {})))
        return schema

    def _member_reference(self, kind: Any) -> Schema:
        if kind is self._kind:
            return {"$ref": "#"}
        if kind not in self._names:
            name = self._new_name(kind)
            self._defs[name] = self._of_members(kind)
        return {"$ref": f"#/$defs/{self._names[kind]}"}

    def _of_params(self, given: WorkflowParams) -> Schema:
        properties: Schema = {}
        for name, param in given.params.items():
            schema = properties[name] = self.of(param.kind)
            if not isinstance(param.default, Missing):
                self._note_default(schema, name, param.default)
        schema = {"type": "object", "properties": properties}
        required = [n for n, param in given.params.items() if isinstance(param.default, Missing)]
        return {**schema, "required": cast("list[JsonValue]", required)} if required else schema

    def _note_default(self, schema: Schema, name: str, default: object) -> None:
        """Add the default of a field, in its JSON form."""
        try:
            schema["default"] = encoded(default)
        except ContextError as error:
            raise DefinitionTypeError(f"{PARAMETER}: the default of {name}: {error}") from None

    def _check_defaults(self, root: Schema) -> None:
        check = SchemaCheck(root, formats=True)
        for part in (root, *self._defs.values()):
            for name, schema in cast("dict[str, Schema]", _member(part, "properties")).items():
                if "default" not in schema:
                    continue
                found = check.mismatch(schema, schema["default"], name)
                if found is not None:
                    raise DefinitionError(f"{PARAMETER}: a default does not fit: {found.reason}")

    def _unsupported(self, kind: Any) -> DefinitionTypeError:
        name = kind.__qualname__ if isinstance(kind, type) else str(kind)
        hint = ": use a list" if kind in _SETS or typing.get_origin(kind) in _SETS else ""
        return DefinitionTypeError(
            f"{PARAMETER}: a field of type {name} has no JSON form{hint}; fields are JSON values, "
            "dates, times, Decimal, UUID, bytes, enums, dataclasses, TypedDicts, models, or lists "
            "and mappings of those"
        )


_SETS: Final = (set, frozenset)


def _member(part: JsonValue, name: str) -> JsonValue:
    return part.get(name, {}) if isinstance(part, dict) else {}


def is_adapted(kind: Any) -> bool:
    """Whether a class is one of pydantic's: a model, or a dataclass that pydantic has made."""
    return isinstance(kind, type) and "__pydantic_core_schema__" in vars(kind)


def adapter(kind: Any) -> Any:
    """The adapter of a class of pydantic, which the program has imported as it has such a class."""
    import importlib

    return importlib.import_module("pydantic").TypeAdapter(kind)


def is_record(kind: Any) -> bool:
    """Whether a type is one of the stdlib's types of records."""
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or typing.is_typeddict(kind))
