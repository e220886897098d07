"""A short digest of a definition: equal for equal definitions in every process.

"Every process" means every one of the same Python minor version, whatever its hash seed, its
working directory and the place of the source in its file. So it covers what code does (its
instructions with the names and constants that they use, its defaults, the code inside it) and not
where it stands (module, file, lines, docstring) nor what it closes over, which may differ in each
process. Objects whose value cannot be read reliably count by their type only.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from types import BuiltinFunctionType, CodeType, EllipsisType, FunctionType, MethodType, NoneType
from typing import Final, NamedTuple

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

_STEPS: Final = 16
"""How far around it something in a circle is looked at to tell it from the others there."""

_KIND_FLAGS: Final = (
    inspect.CO_VARARGS
    | inspect.CO_VARKEYWORDS
    | inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)
"""The flags that change what a call does; others tell where the source stood."""


class _Node(NamedTuple):
    """A value: what it is by itself, and the values that it holds."""

    label: tuple[str, ...]
    parts: tuple[object, ...] = ()
    ordered: bool = True

    def digest(self, digests: Mapping[int, str]) -> str:
        """Over this and the digests of its parts, which are found by their identity."""
        shown = [_shown(part, digests) for part in self.parts]
        return _hash([*self.label, *(shown if self.ordered else sorted(shown))])


def fingerprint(definition: object) -> str:
    """16 hex digits of a digest over ``definition``, in which functions count by their code."""
    return _hash([_text(definition)])[:DIGITS]


def _text(value: object) -> str:
    """What tells a value from others: an atom itself, of anything else a digest."""
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
    """Digest what holds itself in the end, or something that does: as far as a few steps see.

    All go at once, so it does not count where a walk through a circle begins.
    """
    digests.update(dict.fromkeys(circling, ""))
    for _ in range(_STEPS):
        digests.update({key: nodes[key].digest(digests) for key in circling})


def _reachable(root: object) -> dict[int, _Node]:
    """All that ``root`` holds, by identity, each after its parts unless they hold it as well."""
    met: dict[int, _Node] = {}
    left: dict[int, _Node] = {}

    def enter(value: object) -> None:
        node = met[id(value)] = _node(value)
        path.append((id(value), iter(node.parts)))

    # Not by recursion: what a definition holds may be deeper than Python's stack.
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
    """What counts of a value, and nothing that differs by process."""
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
    """A class's own name and those that it inherits from.

    Not its module, which is another one for the program than for who imports it.
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
    """A decorator's own code is the same for all that it decorates: the decorated one counts."""
    # Statically: a proxy in a default would answer any name, with itself perhaps.
    return inspect.getattr_static(value, "__wrapped__", None)


def _object_node(value: object) -> _Node:
    kind = type(value)
    if dataclasses.is_dataclass(value):
        fields = [field.name for field in dataclasses.fields(value)]
        given = [name for name in fields if hasattr(value, name)]  # others are not set yet
        parts = tuple(getattr(value, name) for name in given)
        return _Node(("dataclass", _name(kind), *given), parts)
    if kind.__module__.partition(".")[0] in _VALUE_MODULES:
        return _Node(("value", _name(kind), repr(value)))
    called = inspect.getattr_static(kind, "__call__", None)
    body = called if isinstance(called, FunctionType) else None
    return _Node(("object", _name(kind)), (body, _wrapped(value)))


# -- code ----------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1024)
def _code_digest(code: CodeType) -> str:
    """Cached, since a loop that defines a thousand tasks makes a thousand functions of one code."""
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
    """What the code does, step by step, in unspecialised form and without its index tables."""
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
