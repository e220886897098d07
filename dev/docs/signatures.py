"""The signatures on the reference pages, in plain text below each block that the site's tool fills.

A reader of the pages' sources would see a name alone there. ``python tasks.py docs.signatures``
writes them again after a change; a test says when it must.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

from dev.console import run, say, step
from dev.files import write_atomically
from dev.project import DISTRIBUTIONS, ROOT

REFERENCE = ROOT / "docs" / "reference"
WIDTH = 100
_STARS: dict[object, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}
_BLOCK = re.compile(
    r"^::: (?P<name>[\w.]+)\n(?P<options>(?:    .*\n)*)"
    r'(?:\n```text title="[^"\n]*"\n(?:(?!```).*\n)*```\n)?',
    re.MULTILINE,
)


def write() -> None:
    """Write the signatures again. Runs the sources, which are not installed beside the tasks."""
    step("writing the signatures on the reference pages")
    paths = os.pathsep.join([str(ROOT), *(str(each.folder / "src") for each in DISTRIBUTIONS)])
    run([sys.executable, "-m", "dev.docs.signatures"], cwd=ROOT, env={"PYTHONPATH": paths})


def pages() -> list[Path]:
    """The pages of the reference."""
    return sorted(REFERENCE.glob("*.md"))


def with_signatures(page: str) -> str:
    """The text of a page with the signature below each of its blocks."""
    return _BLOCK.sub(_with_signature, page)


def _with_signature(block: re.Match[str]) -> str:
    name = block["name"]
    text = "\n".join(signature(name))
    return f'::: {name}\n{block["options"]}\n```text title="{name}"\n{text}\n```\n'


def signature(name: str) -> Iterator[str]:
    """The lines that tell how a public name is called, and what it has."""
    module, _, last = name.rpartition(".")
    found: Any = getattr(import_module(module), last)
    if inspect.isclass(found):
        yield from _call(f"class {last}", _parameters(found), "")
        for member in _members(found):
            yield from (f"    {line}" for line in member)
    elif inspect.isfunction(found):
        yield from _of_function(last, found)
    elif choices := get_args(found):
        yield from _wrapped(f"{last} = ", [_choice(each) for each in choices], " | ")
    else:
        yield f"{last}: {type(found).__name__}"


# -- classes ---------------------------------------------------------------------------------------


def _parameters(found: Any) -> list[str]:
    """Those of its constructor; none where programs do not construct it."""
    if issubclass(found, Enum) or getattr(found, "_is_protocol", False):
        return []
    if found.__init__ is object.__init__:
        return []
    return _texts(inspect.signature(found.__init__))[1:]


def _members(found: type) -> Iterator[list[str]]:
    given = {each.name for each in fields(found)} if is_dataclass(found) else set()
    for name, member in vars(found).items():
        if name.startswith("_") or name in given:
            continue
        if isinstance(member, property):
            assert member.fget is not None
            yield [f"{name}: {_shown(inspect.signature(member.fget).return_annotation)}"]
        elif isinstance(member, classmethod | staticmethod):
            function = member.__func__
            skipped = 1 if isinstance(member, classmethod) else 0
            yield list(_of_function(f"{found.__name__}.{name}", function, skipped))
        elif isinstance(member, types.FunctionType):
            yield list(_of_function(name, member, 1))


# -- functions -------------------------------------------------------------------------------------


def _of_function(name: str, function: Any, skipped: int = 0) -> Iterator[str]:
    """A call of it; of a method the first parameter is ``skipped``."""
    made = inspect.signature(function)
    returned = made.return_annotation
    end = "" if returned is inspect.Signature.empty else f" -> {_shown(returned)}"
    kind = "async " if inspect.iscoroutinefunction(function) else ""
    yield from _call(f"{kind}{name}", _texts(made)[skipped:], end)


def _call(head: str, parameters: list[str], end: str) -> Iterator[str]:
    line = f"{head}({', '.join(parameters)}){end}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"{head}("
    yield from (f"    {each}," for each in parameters)
    yield f"){end}"


def _texts(made: inspect.Signature) -> list[str]:
    """The parameters as they stand in a signature, ``/`` and ``*`` among them."""
    texts: list[str] = []
    seen = None
    for each in made.parameters.values():
        if seen is each.POSITIONAL_ONLY and each.kind is not seen:
            texts.append("/")
        if each.kind is each.KEYWORD_ONLY and seen not in (each.KEYWORD_ONLY, each.VAR_POSITIONAL):
            texts.append("*")
        texts.append(_parameter(each))
        seen = each.kind
    return texts


def _parameter(each: inspect.Parameter) -> str:
    text = _STARS.get(each.kind, "") + each.name
    if each.annotation is not each.empty:
        text += f": {_shown(each.annotation)}"
    if each.default is not each.empty:
        text += f" = {_default(each.default)}"
    return text


def _default(value: Any) -> str:
    text = repr(value)
    return "…" if text.startswith("<") else text


def _shown(annotation: Any) -> str:
    if isinstance(annotation, str):
        return annotation
    return getattr(annotation, "__name__", None) or str(annotation)


def _choice(value: Any) -> str:
    return value.__name__ if inspect.isclass(value) else repr(value)


def _wrapped(head: str, words: list[str], between: str) -> Iterator[str]:
    line = head + between.join(words)
    if len(line) <= WIDTH:
        yield line
        return
    yield head.rstrip()
    for word in words:
        yield f"    {between.strip()} {word}"


if __name__ == "__main__":
    for PAGE in pages():
        BEFORE = PAGE.read_text(encoding="utf-8")
        if (AFTER := with_signatures(BEFORE)) != BEFORE:
            write_atomically(PAGE, AFTER.encode())
            say(f"  wrote {PAGE.relative_to(ROOT).as_posix()}")
