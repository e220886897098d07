"""A short digest of a definition: equal for equal definitions in every process.

"Every process" means every process of the same Python minor version; hash seed, working directory
and the place of the source in its file make no difference. So the digest covers the behaviour of
code (instructions with their names and constants, defaults, inner code), but not its place
(module, file, lines, docstring) nor the variables it closes over, which may differ by process.
Objects whose value cannot be read reliably count by their type only.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from types import (
    BuiltinFunctionType,
    CodeType,
    EllipsisType,
    FunctionType,
    MappingProxyType,
    MethodType,
    NoneType,
)
from typing import Final, NamedTuple

DIGITS: Final = 16

_ATOMS: Final = frozenset(
    {NoneType, EllipsisType, bool, int, float, complex, str, bytes, range, slice}
)
_VALUE_MODULES: Final = frozenset(
    {"datetime", "decimal", "fractions", "ipaddress", "pathlib", "uuid", "zoneinfo"}
)
"""Types whose ``repr`` is the whole value and does not depend on the process."""

_BY_VALUE: Final = frozenset((*dis.hasconst, *dis.hasname, *dis.haslocal, *dis.hasfree))
"""Instructions whose argument is an index into a table. The entry counts, not the index: a
docstring takes a place in the table and shifts the others."""

_ABOUT_SOURCE: Final = frozenset(
    {"__doc__", "__firstlineno__", "__qualname__", "__static_attributes__"}
)
"""Names under which a class body stores facts about its own source."""

_COUNTS: Final = "cloaca: counts"
UNLESS_NONE: Final = MappingProxyType({_COUNTS: lambda value: value is not None})
"""Metadata of a dataclass field that counts only if it has a value. So a new option does not change
the digests of definitions that do not use it.
"""
UNLESS_EMPTY: Final = MappingProxyType({_COUNTS: bool})
"""Metadata of a field of a dataclass, a tuple, that counts only if it has members."""
NEVER: Final = MappingProxyType({_COUNTS: lambda _: False})
"""Metadata of a field of a dataclass that does not count."""

_STEPS: Final = 16
"""Number of steps along a circle of references that count when an object in it is digested."""

_KIND_FLAGS: Final = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
"""Code flags that change what a call does; the others describe the source."""


class _Node(NamedTuple):
    """A value: its own text, and the values that it holds."""

    label: tuple[str, ...]
    parts: tuple[object, ...] = ()
    ordered: bool = True

    def digest(self, digests: Mapping[int, str]) -> str:
        """The digest of this value and of its parts, whose digests are found by identity."""
        shown = [_shown(part, digests) for part in self.parts]
        return _hash([*self.label, *(shown if self.ordered else sorted(shown))])


def fingerprint(definition: object) -> str:
    """Digest ``definition`` to 16 hex digits; functions count by their code."""
    return _hash([_text(definition)])[:DIGITS]


def _text(value: object) -> str:
    """The text that identifies a value: an atom's own, else a digest."""
    if type(value) in _ATOMS:
        return _shown(value, {})
    nodes = _reachable(value)
    digests: dict[int, str] = {}
    circling: list[int] = []
    for key, node in nodes.items():
        if all(type(part) in _ATOMS or id(part) in digests for part in node.parts):
            digests[key] = node.digest(digests)
        else:
            circling.append(key)
    if not circling:
        return digests[id(value)]
    _go_round(nodes, circling, digests)
    return _hash([digests[id(value)], *sorted({digests[key] for key in circling})])


def _go_round(nodes: Mapping[int, _Node], circling: list[int], digests: dict[int, str]) -> None:
    """Digest values that are in a circle of references, or hold one, by a few steps around them.

    All are digested together, so the result does not depend on where the walk begins.
    """
    digests.update(dict.fromkeys(circling, ""))
    for _ in range(_STEPS):
        digests.update({key: nodes[key].digest(digests) for key in circling})


def _reachable(root: object) -> dict[int, _Node]:
    """All values ``root`` holds, by identity, each after its parts (if they do not hold it)."""
    met: dict[int, _Node] = {}
    left: dict[int, _Node] = {}

    def enter(value: object) -> None:
        node = met[id(value)] = _node(value)
        path.append((id(value), iter(node.parts)))

    # No recursion: the nesting of a definition may be deeper than Python's stack.
    path: list[tuple[int, Iterator[object]]] = []
    enter(root)
    while path:
        key, parts = path[-1]
        for part in parts:
            if type(part) not in _ATOMS and id(part) not in met:
                enter(part)
                break
        else:
            left[key] = met[key]
            path.pop()
    return left


def _shown(value: object, digests: Mapping[int, str]) -> str:
    kind = type(value)
    return f"{kind.__name__} {value!r}" if kind in _ATOMS else digests[id(value)]


def _hash(texts: Sequence[str | int | list[str]]) -> str:
    return hashlib.sha256(json.dumps(texts).encode("ascii")).hexdigest()


# -- values --------------------------------------------------------------------------------------


def _node(value: object) -> _Node:
    """The part of a value that counts, without what differs by process."""
    match value:
        case Enum():  # before the containers: a member may be a tuple as well
            return _Node(("enum", _name(type(value)), value.name))
        case list() | tuple():
            return _Node(("list",), tuple(value))
        case set() | frozenset():
            return _Node(("set",), tuple(value), ordered=False)
        case dict():
            return _Node(("dict",), tuple(value.items()), ordered=False)
        case CodeType():
            return _Node(("code", _code_digest(value)))
        case type():
            return _Node(("type", _name(value)))
        case _:
            return _callable_node(value) or _object_node(value)


def _name(kind: type) -> str:
    """A class's name and the names of its bases.

    Without the module, which is ``__main__`` in the program and another name when imported.
    """
    return " ".join(each.__qualname__ for each in kind.__mro__)


def _callable_node(value: object) -> _Node | None:
    match value:
        case FunctionType():
            parts = value.__defaults__, value.__kwdefaults__, _wrapped(value)
            return _Node(("function", _code_digest(value.__code__)), parts)
        case MethodType():
            return _Node(("method", _name(type(value.__self__))), (value.__func__,))
        case BuiltinFunctionType():
            return _Node(("builtin", f"{value.__module__}.{value.__qualname__}"))
        case functools.partial():
            return _Node(("partial",), (value.func, value.args, value.keywords))
        case _:
            return None


def _wrapped(value: object) -> object:
    """The decorated function: the decorator's own code is the same for all it decorates."""
    # getattr_static: a proxy in a default would have every attribute, perhaps itself.
    return inspect.getattr_static(value, "__wrapped__", None)


def _object_node(value: object) -> _Node:
    kind = type(value)
    if dataclasses.is_dataclass(value):
        given = [field.name for field in dataclasses.fields(value) if _counts(value, field)]
        parts = tuple(getattr(value, name) for name in given)
        return _Node(("dataclass", _name(kind), *given), parts)
    if kind.__module__.partition(".")[0] in _VALUE_MODULES:
        return _Node(("value", _name(kind), repr(value)))
    called = inspect.getattr_static(kind, "__call__", None)
    body = called if isinstance(called, FunctionType) else None
    return _Node(("object", _name(kind)), (body, _wrapped(value)))


def _counts(value: object, field: dataclasses.Field[object]) -> bool:
    if not hasattr(value, field.name):  # it is not set yet
        return False
    counts: Callable[[object], bool] | None = field.metadata.get(_COUNTS)
    return counts is None or counts(getattr(value, field.name))


# -- code ----------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _code_digest(code: CodeType) -> str:
    """Digest code; cached, since a loop may define a thousand functions with the same code."""
    arguments = code.co_argcount + code.co_kwonlyargcount
    return _hash(
        [
            code.co_posonlyargcount,
            code.co_kwonlyargcount,
            code.co_flags & _KIND_FLAGS,
            *code.co_varnames[:arguments],
            code.co_exceptiontable.hex(),
            *_instructions(code),
        ]
    )


def _instructions(code: CodeType) -> list[list[str]]:
    """The instructions of the code, not specialised, with table entries instead of indexes."""
    steps: list[list[str]] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "EXTENDED_ARG":  # contained in the next one's argument
            continue
        if instruction.opname == "STORE_NAME" and instruction.argval in _ABOUT_SOURCE:
            steps.pop()  # the load of what would be stored
            continue
        by_value = instruction.opcode in _BY_VALUE
        argument = _text(instruction.argval) if by_value else str(instruction.arg)
        steps.append([instruction.opname, argument])
    return steps
