"""How values of annotated types are kept as JSON, and made again from it.

JSON values are kept as they are. Dataclasses, and models with pydantic's ``model_dump`` and
``model_validate``, are kept as objects, also inside lists, tuples and mappings. So are unions whose
members their JSON tells apart: one object, one list and texts or numbers, or dataclasses each of
which has other values of one ``Literal`` field. A dataclass with annotations of pydantic is kept by
pydantic. Any other type is refused by its name, before there is a value.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import functools
import importlib
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from cloaca_core.errors import ContextTypeError, DefinitionTypeError


class ValueForm:
    """The form of plain JSON values, and the base of the others."""

    name: str = "a JSON value"

    def dump(self, value: Any) -> object:
        """The value as JSON types, as far as this form knows them; the rest is checked later."""
        return value

    def load(self, value: Any) -> object:
        """The value that ``dump`` was given, from the decoded JSON."""
        return value


PLAIN: Final = ValueForm()


class _Model(ValueForm):
    """Of a class with ``model_dump`` and ``model_validate``."""

    def __init__(self, kind: Any) -> None:
        self.name = kind.__name__
        self._kind = kind

    def dump(self, value: Any) -> object:
        return _checked(self, value, self._kind).model_dump(mode="json")

    def load(self, value: Any) -> object:
        return self._kind.model_validate(value)


class _Record(ValueForm):
    """Of a dataclass; ``fields`` are the parameters of its ``__init__``, ``literals`` the values of
    fields that are annotated with ``Literal``.
    """

    def __init__(self, kind: Any) -> None:
        self.name = kind.__name__
        self.fields: dict[str, ValueForm] = {}
        self.literals: dict[str, tuple[Any, ...]] = {}
        self._kind = kind

    def fits(self, value: object) -> bool:
        """Whether this is a value of the dataclass."""
        return isinstance(value, self._kind)

    def dump(self, value: Any) -> dict[str, object]:
        _checked(self, value, self._kind)
        return {name: form.dump(getattr(value, name)) for name, form in self.fields.items()}

    def load(self, value: Any) -> object:
        _checked(self, value, dict)
        known = {name: form for name, form in self.fields.items() if name in value}
        return self._kind(**{name: form.load(value[name]) for name, form in known.items()})


class _Adapted(_Record):
    """Of a dataclass whose annotations are pydantic's, which makes its values of JSON again."""

    def dump(self, value: Any) -> dict[str, object]:
        _checked(self, value, self._kind)
        dumped: dict[str, object] = _adapter(self._kind).dump_python(value, mode="json")
        return dumped

    def load(self, value: Any) -> object:
        return _adapter(self._kind).validate_python(value)


@functools.cache
def _adapter(kind: Any) -> Any:
    """The pydantic adapter of this type: made once, as that takes milliseconds."""
    return importlib.import_module("pydantic").TypeAdapter(kind)


class _Items(ValueForm):
    """Of a list or a tuple with items of one form."""

    def __init__(self, item: ValueForm, kind: Callable[[Any], object]) -> None:
        self.name = f"a list of {item.name}"
        self._item = item
        self._kind = kind

    def dump(self, value: Any) -> object:
        return [self._item.dump(each) for each in _checked(self, value, (list, tuple))]

    def load(self, value: Any) -> object:
        return self._kind([self._item.load(each) for each in _checked(self, value, list)])


class _Fixed(ValueForm):
    """Of a tuple whose items have forms of their own."""

    def __init__(self, items: tuple[ValueForm, ...]) -> None:
        self.name = f"a tuple of {len(items)}"
        self._items = items

    def dump(self, value: Any) -> object:
        return [form.dump(each) for form, each in self._paired(_checked(self, value, tuple))]

    def load(self, value: Any) -> object:
        return tuple([form.load(each) for form, each in self._paired(_checked(self, value, list))])

    def _paired(self, value: Any) -> list[tuple[ValueForm, Any]]:
        if len(value) != len(self._items):
            raise ContextTypeError(f"it must be {self.name}, not of {len(value)}")
        return list(zip(self._items, value, strict=True))


class _Members(ValueForm):
    """Of a mapping whose values have one form."""

    def __init__(self, member: ValueForm) -> None:
        self.name = f"a mapping to {member.name}"
        self._member = member

    def dump(self, value: Any) -> object:
        members = _checked(self, value, Mapping).items()
        return {key: self._member.dump(each) for key, each in members}

    def load(self, value: Any) -> object:
        return {key: self._member.load(each) for key, each in _checked(self, value, dict).items()}


class _OrNone(ValueForm):
    """Of a value that may be None."""

    def __init__(self, form: ValueForm) -> None:
        self.name = f"{form.name} or None"
        self._form = form

    def dump(self, value: Any) -> object:
        return None if value is None else self._form.dump(value)

    def load(self, value: Any) -> object:
        return None if value is None else self._form.load(value)


class _OneOf(ValueForm):
    """Of one of several dataclasses; the value of the field ``tag`` says which."""

    def __init__(self, records: list[_Record], tag: str) -> None:
        self.name = " or ".join(record.name for record in records)
        self._records = records
        self._tag = tag
        self._by_tag = {value: each for each in records for value in each.literals[tag]}

    def dump(self, value: Any) -> object:
        for record in self._records:
            if record.fits(value) and getattr(value, self._tag) in record.literals[self._tag]:
                return {self._tag: getattr(value, self._tag)} | record.dump(value)
        raise ContextTypeError(f"it must be {self.name}, not {type(value).__name__}")

    def load(self, value: Any) -> object:
        tag = _checked(self, value, dict).get(self._tag)
        if (record := self._by_tag.get(tag)) is None:
            raise ContextTypeError(f"it must be {self.name}, not {self._tag} {tag!r:.80}")
        return record.load(value)


class _OfShapes(ValueForm):
    """Of a union of which the shape of the JSON names the member: objects have the form
    ``members``, lists the form ``items``. None: the union has none.
    """

    def __init__(self, members: ValueForm | None, items: ValueForm | None) -> None:
        forms = [form.name for form in (members, items) if form is not None]
        self.name = " or ".join([*forms, "a plain value"])
        self._members = members
        self._items = items

    def dump(self, value: Any) -> object:
        if isinstance(value, list | tuple):
            return self._of(self._items, value).dump(value)
        is_plain = isinstance(value, str | int | float | None)
        return value if is_plain else self._of(self._members, value).dump(value)

    def load(self, value: Any) -> object:
        if isinstance(value, list):
            return self._of(self._items, value).load(value)
        return self._of(self._members, value).load(value) if isinstance(value, dict) else value

    def _of(self, form: ValueForm | None, value: object) -> ValueForm:
        if form is None:
            raise ContextTypeError(f"it must be {self.name}, not {type(value).__name__}")
        return form


def _checked(form: ValueForm, value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise ContextTypeError(f"it must be {form.name}, not {type(value).__name__}")
    return value


# -- annotations ---------------------------------------------------------------------------------


def form_of_result(function: Callable[..., object]) -> ValueForm:
    """The form of what a function returns, by its annotation; plain without one."""
    while isinstance(function, functools.partial):
        function = function.func
    if isinstance(function, type):
        return form_of(function)
    named = function if hasattr(function, "__annotations__") else type(function).__call__
    name = getattr(function, "__qualname__", type(function).__name__)
    try:
        written = getattr(named, "__annotations__", {}).get("return", Any)
        if written is Any:
            return PLAIN
        holder = types.SimpleNamespace(__annotations__={"return": written})
        names = getattr(named, "__globals__", None)
        found = typing.get_type_hints(holder, names, include_extras=True)["return"]
    except Exception as error:
        raise DefinitionTypeError(
            f"the annotation of what {name} returns cannot be read ({error}); "
            "give the type by handle.with_options(returns=…)"
        ) from error
    return form_of(found)


def form_of(kind: Any) -> ValueForm:
    """The form of values of this type; ``DefinitionTypeError`` if the type has none."""
    return _Forms().of(kind)


class _Forms:
    """Finds forms; a dataclass may have fields of its own type."""

    _PLAIN: ClassVar[frozenset[Any]] = frozenset(
        (Any, object, None, type(None), bool, int, float, str, list, dict, typing.NoReturn)
    ) | {typing.Never, collections.abc.Mapping, collections.abc.Sequence}

    def __init__(self) -> None:
        self._records: dict[type, _Record] = {}

    def of(self, kind: Any) -> ValueForm:
        if kind in self._PLAIN or typing.is_typeddict(kind) or isinstance(kind, typing.TypeVar):
            return PLAIN
        if isinstance(kind, typing.NewType):
            return self.of(kind.__supertype__)
        if (origin := typing.get_origin(kind)) is not None:
            return self._of_parts(kind, origin, typing.get_args(kind))
        if kind is tuple:
            return _Items(PLAIN, tuple)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind):
            return self._of_record(kind)
        if isinstance(kind, type) and hasattr(kind, "model_validate"):
            return _Model(kind)
        if (alias := getattr(kind, "__value__", None)) is not None:  # type X = …
            return self.of(alias)
        raise _unsupported(kind)

    def _of_parts(self, kind: Any, origin: Any, parts: tuple[Any, ...]) -> ValueForm:
        if origin is typing.Literal:
            return PLAIN
        if origin is typing.Annotated:
            return self.of(parts[0])
        if origin in (typing.Union, types.UnionType):
            return self._of_union(kind, parts)
        if origin in (collections.abc.Coroutine, collections.abc.Awaitable):
            return self.of(parts[-1])
        if origin in (list, collections.abc.Sequence):
            item = self.of(parts[0])
            return PLAIN if item is PLAIN else _Items(item, list)
        if origin is tuple:
            if len(parts) == 2 and parts[1] is Ellipsis:
                return _Items(self.of(parts[0]), tuple)
            return _Fixed(tuple([self.of(part) for part in parts]))
        if origin in (dict, collections.abc.Mapping):
            member = self.of(parts[1])
            return PLAIN if member is PLAIN else _Members(member)
        raise _unsupported(kind)

    def _of_union(self, kind: Any, parts: tuple[Any, ...]) -> ValueForm:
        forms = [self.of(part) for part in _not_none(parts)]
        if all(form is PLAIN for form in forms):
            return PLAIN
        if len(forms) == 1:
            return _OrNone(forms[0])
        items = [form for form in forms if isinstance(form, _Items | _Fixed)]
        others = [form for form in forms if form is not PLAIN and form not in items]
        plain = [part for part, form in zip(_not_none(parts), forms, strict=True) if form is PLAIN]
        if len(items) > 1 or not all(map(_is_scalar, plain)):
            raise _unsupported(kind)
        members = self._of_objects(kind, others) if others else None
        if members is not None and len(others) == len(parts):
            return members
        return _OfShapes(members, items[0] if items else None)

    def _of_objects(self, kind: Any, forms: list[ValueForm]) -> ValueForm:
        """The form of what is an object of JSON."""
        if len(forms) == 1:
            return forms[0]
        records = [form for form in forms if isinstance(form, _Record)]
        if len(records) < len(forms) or (tag := _tag_of(records)) is None:
            raise _unsupported(kind)
        return _OneOf(records, tag)

    def _of_record(self, kind: type) -> ValueForm:
        if (known := self._records.get(kind)) is not None:
            return known
        try:
            hints = typing.get_type_hints(kind, include_extras=True)
        except Exception as error:
            raise DefinitionTypeError(
                f"the annotations of {kind.__name__} cannot be read: {error}"
            ) from error
        is_adapted = any(map(_is_of_pydantic, hints.values()))
        record = self._records[kind] = _Adapted(kind) if is_adapted else _Record(kind)
        record.literals = {
            each.name: typing.get_args(hints[each.name])
            for each in dataclasses.fields(kind)
            if typing.get_origin(hints[each.name]) is typing.Literal
        }
        for each in () if is_adapted else dataclasses.fields(kind):
            if each.init:
                record.fields[each.name] = self.of(hints[each.name])
        return record


def _is_of_pydantic(hint: Any) -> bool:
    """Whether an annotation, or a part of it, says something to pydantic."""
    told = getattr(hint, "__metadata__", ())
    modules = [type(each).__module__.partition(".")[0] for each in told]
    return "pydantic" in modules or any(map(_is_of_pydantic, typing.get_args(hint)))


def _not_none(parts: tuple[Any, ...]) -> list[Any]:
    return [part for part in parts if part is not type(None)]


def _is_scalar(kind: Any) -> bool:
    """Whether values of a plain type are neither objects nor lists of JSON."""
    return kind in (bool, int, float, str) or typing.get_origin(kind) is typing.Literal


def _tag_of(records: list[_Record]) -> str | None:
    """The first field that has other literal values in each of these dataclasses."""
    for name in records[0].literals:
        values = [value for each in records for value in each.literals.get(name, (None, None))]
        if len(set(values)) == len(values):
            return name
    return None


def _unsupported(kind: Any) -> DefinitionTypeError:
    name = kind.__qualname__ if isinstance(kind, type) else str(kind)
    return DefinitionTypeError(
        f"a value of type {name} cannot be kept: a step returns JSON values, dataclasses, models, "
        "lists and mappings of those, or unions of dataclasses that a Literal field of one name "
        "tells apart; give handle.with_options(returns=…) if it returns one"
    )
