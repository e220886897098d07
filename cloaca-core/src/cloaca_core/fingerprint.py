"""A short digest of a definition: equal for equal definitions in every process.

"Every process" means every one of the same Python minor version, whatever its hash seed, its
working directory and the place of the source in its file. So it covers what code does (its
instructions with the names and constants that they use, its defaults, the code inside it) and not
where it stands (file, lines, docstring) nor what it closes over, which may differ in each process.
Objects whose value cannot be read reliably count by their type only.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import inspect
import json
from collections.abc import Iterable
from enum import Enum
from types import BuiltinFunctionType, CodeType, EllipsisType, FunctionType, MethodType, NoneType
from typing import Final, TypeAlias

Plain: TypeAlias = "int | str | list[Plain] | None"
"""Nested lists that begin with a tag: what every value becomes on its way to a digest."""

DIGITS: Final = 16

_ATOMS: Final = frozenset(
    {NoneType, EllipsisType, bool, int, float, complex, str, bytes, range, slice}
)
_VALUE_MODULES: Final = frozenset(
    {"datetime", "decimal", "fractions", "ipaddress", "pathlib", "uuid", "zoneinfo"}
)
"""Whose objects are values: their ``repr`` says everything, and nothing about the process."""

_BY_VALUE: Final = frozenset((*dis.hasconst, *dis.hasname, *dis.haslocal, *dis.hasfree))
"""Instructions whose argument is an index into a table. What stands there counts, not the index:
a docstring takes a place in the table and shifts the others."""

_ABOUT_SOURCE: Final = frozenset(
    {"__doc__", "__firstlineno__", "__qualname__", "__static_attributes__"}
)
"""What the body of a class stores about its own source."""

_KIND_FLAGS: Final = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
"""The flags that change what a call does; others tell where the source stood."""


def fingerprint(definition: object) -> str:
    """16 hex digits of a digest over ``definition``, in which functions count by their code."""
    return _digest(plain(definition))[:DIGITS]


def _digest(value: Plain) -> str:
    return hashlib.sha256(_text(value).encode("ascii")).hexdigest()


def _text(value: Plain) -> str:
    return json.dumps(value, separators=(",", ":"))


def plain(value: object) -> Plain:
    """``value`` as nested lists that hold what counts and nothing that differs by process."""
    kind = type(value)
    if kind in _ATOMS:
        return [kind.__name__, repr(value)]
    match value:
        case Enum():  # before the containers: a member may be a tuple as well
            return ["enum", _name(kind), value.name]
        case list() | tuple():
            return ["list", *map(plain, value)]
        case set() | frozenset():
            return ["set", *_sorted(map(plain, value))]
        case dict():
            return ["dict", *_sorted([plain(key), plain(item)] for key, item in value.items())]
        case CodeType():
            return ["code", _code_digest(value)]
        case type():
            return ["type", _name(value)]
        case _:
            return _plain_callable(value) or _plain_object(value)


def _sorted(values: Iterable[Plain]) -> list[Plain]:
    return sorted(values, key=_text)


def _name(named: type | BuiltinFunctionType) -> str:
    return f"{named.__module__}.{named.__qualname__}"


def _plain_callable(value: object) -> Plain:
    match value:
        case FunctionType():
            code = _code_digest(value.__code__)
            return [
                "function",
                code,
                *map(plain, (value.__defaults__, value.__kwdefaults__)),
                _wrapped(value),
            ]
        case MethodType():
            return ["method", _name(type(value.__self__)), plain(value.__func__)]
        case BuiltinFunctionType():
            return ["builtin", _name(value)]
        case functools.partial():
            return ["partial", *map(plain, (value.func, value.args, value.keywords))]
        case _:
            return None


def _wrapped(value: object) -> Plain:
    """A decorator's own code is the same for all that it decorates: the decorated one counts."""
    # Statically: a proxy in a default would answer any name, with itself perhaps.
    return plain(inspect.getattr_static(value, "__wrapped__", None))


def _plain_object(value: object) -> Plain:
    kind = type(value)
    if dataclasses.is_dataclass(value):
        fields = (
            [field.name, plain(getattr(value, field.name))] for field in dataclasses.fields(value)
        )
        return ["dataclass", _name(kind), *fields]
    if kind.__module__.partition(".")[0] in _VALUE_MODULES:
        return ["value", _name(kind), repr(value)]
    called = inspect.getattr_static(kind, "__call__", None)
    body = plain(called) if isinstance(called, FunctionType) else None
    return ["object", _name(kind), body, _wrapped(value)]


# -- code ----------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _code_digest(code: CodeType) -> str:
    """Cached, since a loop that defines a thousand tasks makes a thousand functions of one code."""
    arguments = code.co_argcount + code.co_kwonlyargcount
    return _digest(
        [
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags & _KIND_FLAGS,
            *code.co_varnames[:arguments],
            code.co_exceptiontable.hex(),
            *_instructions(code),
        ]
    )


def _instructions(code: CodeType) -> list[Plain]:
    """What the code does, step by step, in unspecialised form and without its index tables."""
    steps: list[Plain] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "EXTENDED_ARG":  # contained in the next one's argument
            continue
        if instruction.opname == "STORE_NAME" and instruction.argval in _ABOUT_SOURCE:
            steps.pop()  # the load of what would be stored
            continue
        by_value = instruction.opcode in _BY_VALUE
        argument = plain(instruction.argval) if by_value else instruction.arg
        steps.append([instruction.opname, argument])
    return steps
