"""Renders the awaiting half of a class from its blocking half.

The blocking half is the one that people write. A template asks for its methods, and adds what is
different by nature: how the awaiting half opens and shuts down. The rules are few, and are applied
to the text, so that comments stay:

* ``call.wait()`` is ``await call``, ``self._do(…)`` is ``await self._do(…)``
* a call on an object of ``TWINS`` is awaited by the name of its twin, ``outbox.submit_awaited(…)``
* a function that awaits is ``async def``
* ``NAMES`` and ``MODULES`` have twins of their own
* a docstring that is long is its first sentence, with a reference to the blocking method
"""

from __future__ import annotations

import ast
import re
import subprocess
import textwrap
import tokenize
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from ruff import find_ruff_bin

from dev.console import TaskFailed

NAMES: Final[Mapping[str, str]] = {
    "ChildHandle": "AsyncChildHandle",
    "Client": "AsyncClient",
    "DefaultRunner": "AsyncRunner",
    "Iterator": "AsyncIterator",
    "RunHandle": "AsyncRunHandle",
    "Steps": "AsyncSteps",
    "TaskHandle": "AsyncTaskHandle",
    "TypedSteps": "AsyncTypedSteps",
    "iter": "aiter",
    "refuse_blocking_call": "raise_if_cancelled",
}
"""Names of the blocking half, and those of the awaiting half in their place."""
MODULES: Final[Mapping[str, str]] = {
    "client.client": "client.async_client",
    "client.handles": "client.async_handles",
}
"""Modules of the blocking half, within the package, and the rendered ones."""
TWINS: Final[Mapping[str, str]] = {"outbox": "_awaited", "self._steps": "_async"}
"""Objects that have a second method for each, to be awaited, whose name ends in this."""
WIDTH: Final = 100
_SENTENCE: Final = re.compile(r".+?[.](?=\s|$)", re.DOTALL)
SHORT: Final = 170
"""Characters of a docstring that is taken as it is."""


class Edit(NamedTuple):
    """Replaces the bytes from ``start`` to ``end``."""

    start: int
    end: int
    text: str


class Awaiting:
    """The twins of the classes of one package, for its templates."""

    def __init__(self, package: Path) -> None:
        self._package = package

    def imports(self, module: str) -> str:
        """The imports of a blocking module; ``formatted`` removes those that are not used."""
        source = self._read(module)
        nodes = [each for each in source.tree.body if _is_import(each)]
        text = "\n".join(source.text(each) for each in nodes)
        for blocking, awaiting in MODULES.items():
            text = text.replace(f".{blocking} import", f".{awaiting} import")
        return _renamed(text)

    def methods(
        self,
        module: str,
        name: str,
        without: Collection[str] = (),
        more: Mapping[str, str] | None = None,
    ) -> str:
        """The methods of a blocking class but for those ``without``, with the comments above them.
        ``more`` has sentences for docstrings that hold for the awaiting half alone.
        """
        source = self._read(module)
        found = source.class_named(name)
        parts = []
        before = found.body[0]
        for node in found.body[1:]:
            if isinstance(node, ast.FunctionDef) and node.name not in without:
                edits = sorted(source.edits(node, name, (more or {}).get(node.name, "")))
                parts.append(source.edited(source.end(before), source.end(node), edits))
            before = node
        return _renamed("".join(parts)).strip("\n")

    def _read(self, module: str) -> Source:
        path = self._package / module
        try:
            return Source(path.read_bytes())
        except (OSError, SyntaxError) as error:
            raise TaskFailed(f"{module} cannot be read: {error}") from error


class Source:
    """The text of a module, in which places are bytes as in its syntax tree."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.tree: ast.Module = ast.parse(content)
        lines = content.splitlines(keepends=True)
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line))

    def class_named(self, name: str) -> ast.ClassDef:
        """A class at the top of the module."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node
        raise TaskFailed(f"there is no class {name} to render the awaiting half of")

    def text(self, node: ast.stmt) -> str:
        """The text of a statement."""
        return self._content[self.start(node) : self.end(node)].decode()

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Where a node begins."""
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Where a node ends."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def edited(self, start: int, end: int, edits: list[Edit]) -> str:
        """The text between two places with its edits, which are in order."""
        parts = []
        for edit in edits:
            parts += [self._content[start : edit.start], edit.text.encode()]
            start = edit.end
        return b"".join([*parts, self._content[start:end]]).decode()

    def edits(self, function: ast.FunctionDef, kind: str, more: str) -> Iterator[Edit]:
        """What makes a method of the class ``kind`` an awaiting one."""
        awaits = [edit for node in ast.walk(function) for edit in self._awaits(node)]
        if awaits:
            at = self.start(function)
            yield Edit(at, at, "async ")
        yield from awaits
        if ast.get_docstring(function) is not None:
            node = function.body[0]
            yield Edit(self.start(node), self.end(node), docstring(function, kind, more))

    def _awaits(self, node: ast.AST) -> Iterator[Edit]:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return
        of, method, start = node.func.value, node.func.attr, self.start(node)
        if method == "wait" and not node.args and not node.keywords:
            yield Edit(start, start, "await ")
            yield Edit(self.end(of), self.end(node), "")
        elif isinstance(of, ast.Name) and (of.id, method) == ("self", "_do"):
            yield Edit(start, start, "await ")
        elif twin := TWINS.get(ast.unparse(of)):
            yield Edit(start, start, "await ")
            yield Edit(self.end(node.func), self.end(node.func), twin)


def docstring(function: ast.FunctionDef, kind: str, more: str) -> str:
    """The docstring of the awaiting twin of a method of the class ``kind``. It refers to the
    blocking one, unless that is short or refers to another method itself.
    """
    text = ast.get_docstring(function) or ""
    if not (found := _SENTENCE.match(text)):
        raise TaskFailed(f"the docstring of {kind}.{function.name} has no sentence")
    parts = [text, more]
    first = " ".join(found[0].split())
    if len(text) > SHORT and "see ``" not in first:
        parts = [first, more, f"See ``{kind}.{function.name}``."]
    indent = " " * (function.col_offset + 4)
    return _wrapped(" ".join(filter(None, parts)), indent)


def _wrapped(text: str, indent: str) -> str:
    """A docstring, whose quotes stand in a line of their own unless one line is enough."""
    if len(indent) + len(text) + 6 <= WIDTH and "\n" not in text:
        return f'"""{text}"""'
    # Narrower by the quotes: ruff puts those below a single line at its end.
    fill = partial(
        textwrap.fill,
        width=WIDTH - 3,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    first, *others = text.split("\n\n")
    filled = [fill(first, initial_indent=f'{indent}"""')]
    filled += [fill(each, initial_indent=indent) for each in others]
    return "\n\n".join(filled).removeprefix(indent) + f'\n{indent}"""'


def formatted(text: str, path: Path, config: Path) -> str:
    """A rendered module without the imports that it does not use, as ruff formats it."""
    sort = ("check", "--quiet", "--fix-only", "--select", "F401,I")
    for command in (sort, ("format", "--quiet")):
        text = _ruff(*command, "--config", str(config), "--stdin-filename", str(path), text=text)
    return text


def _ruff(*arguments: str, text: str) -> str:
    done = subprocess.run(
        [find_ruff_bin(), *arguments, "-"],
        input=text.encode(),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise TaskFailed(f"ruff cannot read what was rendered: {done.stderr.decode()}")
    return done.stdout.decode()


def _is_import(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.Import | ast.ImportFrom)


def _renamed(text: str) -> str:
    """The text with the names of the awaiting half; strings and comments stay as they are."""
    lines = text.splitlines(keepends=True)
    # Methods are no module: they need a line that they are indented below.
    above = ["if 1:\n"] if text.lstrip("\n").startswith(" ") else []
    tokens = tokenize.generate_tokens(iter([*above, *lines, ""]).__next__)
    found = [
        (token.start[0] - 1 - len(above), token.start[1], token.string)
        for token in tokens
        if token.type == tokenize.NAME and token.string in NAMES
    ]
    for row, column, name in reversed(found):
        line = lines[row]
        lines[row] = f"{line[:column]}{NAMES[name]}{line[column + len(name) :]}"
    return "".join(lines)
