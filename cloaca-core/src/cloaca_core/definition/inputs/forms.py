"""Completes values that match their schema: fills in defaults, and has the classes of pydantic in
them checked by pydantic.

A value that was given stays as it was given. Keys that a type does not have stay too.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from cloaca_core.definition.inputs.checked import met_text
from cloaca_core.definition.inputs.encoded import encoded
from cloaca_core.definition.inputs.params import WorkflowParams
from cloaca_core.definition.inputs.schemas import InputSchemas, adapter, is_adapted
from cloaca_core.errors import InputError
from cloaca_core.values.missing import MISSING, Missing
from cloaca_core.values.payloads.json_schema import Schema, SchemaCheck, below
from cloaca_core.values.payloads.json_values import JsonValue, encode, normalise, shown_path


class Form:
    """Of values without defaults, which are complete; the base of the others."""

    def complete(self, value: JsonValue, path: str) -> JsonValue:  # noqa: ARG002 - others name it
        """The value with its defaults. ``path`` is its place, which an ``InputError`` names."""
        return value


PLAIN: Final = Form()


class _Items(Form):
    """Of a list: the first items have forms of their own, the others have ``rest``."""

    def __init__(self, first: Sequence[Form], rest: Form) -> None:
        self._first = first
        self._rest = rest

    def complete(self, value: JsonValue, path: str) -> JsonValue:
        items = cast("list[JsonValue]", value)
        return [self._at(n).complete(each, f"{path}[{n}]") for n, each in enumerate(items)]

    def _at(self, number: int) -> Form:
        return self._first[number] if number < len(self._first) else self._rest


class _Members(Form):
    """Of an object with any keys, whose values have one form."""

    def __init__(self, member: Form) -> None:
        self._member = member

    def complete(self, value: JsonValue, path: str) -> JsonValue:
        members = cast("dict[str, JsonValue]", value)
        return {key: self._member.complete(each, below(path, key)) for key, each in members.items()}


class _OneOf(Form):
    """Of a union: the first member whose schema a value matches."""

    def __init__(self, check: SchemaCheck, members: Sequence[tuple[Schema, Form]]) -> None:
        self._check = check
        self._members = members

    def complete(self, value: JsonValue, path: str) -> JsonValue:
        for schema, form in self._members:
            if self._check.mismatch(schema, value, path) is None:
                return form.complete(value, path)
        return value


class _Record(Form):
    """Of an object with these fields. ``defaults`` make the values of fields that are not there."""

    def __init__(self) -> None:
        self.fields: dict[str, Form] = {}
        self.defaults: dict[str, Callable[[], JsonValue]] = {}

    def complete(self, value: JsonValue, path: str) -> JsonValue:
        members = dict(cast("dict[str, JsonValue]", value))
        for name, form in self.fields.items():
            if name not in members:
                if name not in self.defaults:
                    continue
                members[name] = _default(self.defaults[name], below(path, name))
            members[name] = form.complete(members[name], below(path, name))
        return members


class _Model(Form):
    """Of a class of pydantic."""

    def __init__(self, kind: type) -> None:
        self._adapter = adapter(kind)
        self._keys = self._adapter.json_schema().get("properties", {}).keys()

    def complete(self, value: JsonValue, path: str) -> JsonValue:
        made = self._validated(value, path)
        dumped = normalise(self._adapter.dump_python(made, mode="json", by_alias=True))
        if isinstance(dumped, dict):  # computed fields, and other names, are no part of an input
            dumped = {key: each for key, each in dumped.items() if key in self._keys}
        filled = _added(value, dumped)
        self._validated(filled, path)
        return filled

    def _validated(self, value: JsonValue, path: str) -> Any:
        """The object of a value; the first of pydantic's findings as an ``InputError``."""
        try:
            return self._adapter.validate_json(encode(value))
        except Exception as error:  # of a validator of the program
            if not hasattr(error, "errors"):
                raise _broken(error, "is refused", path) from error
            raise _refusal(error.errors(include_url=False)[0], path) from None


def _default(make: Callable[[], JsonValue], path: str) -> JsonValue:
    try:
        return make()
    except Exception as error:  # of a factory of the program
        raise _broken(error, "has no default", path) from error


def _broken(error: Exception, reason: str, path: str) -> InputError:
    """The error of code of the program that raises another one than it should."""
    return InputError(f"{shown_path(path) or 'input'}: it {reason}: {error!r}", path=path)


def _refusal(finding: Mapping[str, Any], path: str) -> InputError:
    for step in finding["loc"]:
        path = f"{path}[{step}]" if isinstance(step, int) else below(path, step)
    reason = finding["msg"].removeprefix("Value error, ")
    value = MISSING if finding["type"] == "missing" else _json(finding["input"])
    met = met_text(value, path)
    message = f"{shown_path(path) or 'input'}: {reason}, got {met}"
    return InputError(message, path=path, wanted=reason, met=met)


def _json(value: object) -> JsonValue:
    try:
        return encoded(value)
    except ValueError:
        return type(value).__name__


def _added(given: JsonValue, complete: JsonValue) -> JsonValue:
    """The value that was given, with the keys of the complete one that it does not have."""
    if isinstance(given, dict) and isinstance(complete, dict):
        missing = {key: each for key, each in complete.items() if key not in given}
        kept = {
            key: _added(each, complete[key]) if key in complete else each
            for key, each in given.items()
        }
        return kept | missing
    if isinstance(given, list) and isinstance(complete, list) and len(given) == len(complete):
        return [_added(one, other) for one, other in zip(given, complete, strict=True)]
    return given


# -- forms of types ------------------------------------------------------------------------------


class Forms:
    """Finds the forms of the types in one input; a type may contain itself."""

    def __init__(self, schemas: InputSchemas, root: Schema) -> None:
        self._schemas = schemas
        self._check = SchemaCheck(root, formats=True)
        self._records: dict[Any, _Record] = {}

    def of(self, kind: Any) -> Form:
        """The form of a type that has a schema."""
        if isinstance(kind, WorkflowParams):
            return self._of_params(kind)
        if isinstance(kind, typing.NewType):
            return self.of(kind.__supertype__)
        if (origin := typing.get_origin(kind)) is not None:
            return self._of_parts(origin, typing.get_args(kind))
        if is_adapted(kind):
            return _Model(kind)
        if typing.is_typeddict(kind) or (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
            return self._records.get(kind) or self._of_record(kind)
        if (alias := getattr(kind, "__value__", None)) is not None:  # type X = …
            return self.of(alias)
        return PLAIN

    def _of_parts(self, origin: Any, parts: tuple[Any, ...]) -> Form:
        if origin in (typing.Annotated, typing.Required, typing.NotRequired):
            return self.of(parts[0])
        if origin in (typing.Union, types.UnionType):
            forms = [self.of(part) for part in parts]
            if all(form is PLAIN for form in forms):
                return PLAIN
            schemas = [self._schemas.of(part) for part in parts]
            return _OneOf(self._check, list(zip(schemas, forms, strict=True)))
        if origin is tuple and parts[-1] is not Ellipsis:
            first = [self.of(part) for part in parts]
            return PLAIN if all(form is PLAIN for form in first) else _Items(first, PLAIN)
        if origin in (list, tuple, collections.abc.Sequence):
            item = self.of(parts[0])
            return PLAIN if item is PLAIN else _Items((), item)
        if origin in (dict, collections.abc.Mapping):
            member = self.of(parts[1])
            return PLAIN if member is PLAIN else _Members(member)
        return PLAIN

    def _of_record(self, kind: Any) -> _Record:
        record = self._records[kind] = _Record()
        hints = typing.get_type_hints(kind, include_extras=True)
        record.fields = {name: self.of(hint) for name, hint in hints.items()}
        if not typing.is_typeddict(kind):
            fields = [each for each in dataclasses.fields(kind) if each.init]
            record.fields = {each.name: record.fields[each.name] for each in fields}
            for each in fields:
                if each.default is not dataclasses.MISSING:
                    record.defaults[each.name] = _constant(each.default)
                elif each.default_factory is not dataclasses.MISSING:
                    record.defaults[each.name] = _made(each.default_factory)
        return record

    def _of_params(self, given: WorkflowParams) -> _Record:
        record = _Record()
        for name, param in given.params.items():
            record.fields[name] = self.of(param.kind)
            if not isinstance(param.default, Missing):
                record.defaults[name] = _constant(param.default)
        return record


def _constant(default: object) -> Callable[[], JsonValue]:
    return lambda: encoded(default)


def _made(factory: Callable[[], object]) -> Callable[[], JsonValue]:
    return lambda: encoded(factory())
