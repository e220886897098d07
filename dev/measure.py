"""Measures how large and how deep the code is: what a newcomer has to open, read and change.

``invoke measure`` prints each figure beside the one to reach. Nothing fails: a figure that grows is
a question for a review.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from dev.console import environment, say, step
from dev.project import CORE, DISTRIBUTIONS, POSTGRES, REPORTS, ROOT

OPTION = "start_by"
"""A task option that has its way through all layers."""
FACADES = ("Client", "AsyncClient", "RunHandle", "AsyncRunHandle", "Observer", "Harness")
LONG_CLASS, MANY_METHODS, LONG_MODULE = 300, 25, 400
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_KERNEL = CORE.folder / "src" / CORE.package


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure, and the one to reach."""

    what: str
    now: str
    reach: str


def measure() -> None:
    """Print all figures."""
    step("measuring the structure of the code")
    found = list(figures())
    width = max(len(each.what) for each in found)
    say(f"{'':{width}}  {'now':>18}  to reach")
    for each in found:
        say(f"{each.what:{width}}  {each.now:>18}  {each.reach}")


def figures() -> Iterator[Figure]:
    """The figures, in the order of a run's way."""
    yield Figure("files entered by execute of one task / moves", _entered("execute"), "45 / 170")
    yield Figure("files entered from send to the result", _entered("send").split(" ")[0], "60")
    yield Figure("members of the kernel's store; of the parts", _contract(), "50; any")
    yield Figure("imports of features by the kernel", str(_knowing()), "0")
    yield Figure(f"source files that name {OPTION}", str(_naming(OPTION)), "14")
    yield Figure("functions whose body is one call; that only pass on", _forwarding(), "any; 6 %")
    yield Figure("statements that PostgreSQL rewords", str(_reworded()), "30")
    yield Figure(
        f"classes over {LONG_CLASS} lines or {MANY_METHODS} methods", _large_classes(), "none"
    )
    yield Figure(f"modules over {LONG_MODULE} lines; largest folder", _modules(), "few; 20")
    yield Figure("lines of Python in the core; in all", _lines(), "52,000; 88,000")
    yield Figure("wheel of the core; its requirements", _wheel(), "750 kB; 1")
    yield Figure("tests of the last run; their processes' seconds", _tests(), "13,000")


# -- how it runs -----------------------------------------------------------------------------------


def _entered(way: str) -> str:
    paths = os.pathsep.join(str(each.folder / "src") for each in DISTRIBUTIONS)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.entered", way],
        cwd=ROOT,
        env=environment({"PYTHONPATH": paths}),
        capture_output=True,
        text=True,
        check=True,
    )
    return " / ".join(done.stdout.split())


# -- what it is made of ----------------------------------------------------------------------------


@cache
def _sources() -> dict[Path, ast.Module]:
    """All modules of the distributions."""
    paths = [path for each in DISTRIBUTIONS for path in (each.folder / "src").rglob("*.py")]
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(paths)}


@cache
def _written() -> dict[Path, ast.Module]:
    """The modules that people write: a change touches no rendered one."""
    return {
        path: tree
        for path, tree in _sources().items()
        if not path.read_text(encoding="utf-8").startswith("# Generated from")
    }


def _contract() -> str:
    """The members that the protocols of a store have: the kernel's, and those of features."""
    store, features = _KERNEL / "store", _KERNEL / "features"
    kernel = [store / f"{name}.py" for name in ("protocol", "runs", "runners")]
    return f"{_members(kernel)}; {_members(features.rglob('*part.py'))}"


def _members(paths: Iterable[Path]) -> int:
    classes = [node for path in paths for node in _classes(_sources()[path])]
    return sum(len(_methods(node)) for node in classes if node.name.endswith("Store"))


def _knowing() -> int:
    """The imports by which modules of the kernel know features, or what is put together of them."""
    folders = [_KERNEL / name for name in ("values", "definition", "run", "store", "engine")]
    known = (f"{CORE.package}.features.", f"{CORE.package}.assembly.")
    return sum(
        1
        for path, tree in _written().items()
        if any(path.is_relative_to(folder) for folder in folders)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(known)
    )


def _naming(option: str) -> int:
    word = re.compile(rf"\b{option}\b")
    return sum(1 for path in _written() if word.search(path.read_text(encoding="utf-8")))


def _forwarding() -> str:
    """The share of all functions whose body is one call, and of those outside façades that only
    pass on.
    """
    every = [each for tree in _written().values() for each in functions(tree)]
    own = [each for tree in _written().values() for each in functions(tree, without=FACADES)]
    one_call, passing = sum(map(forwards, every)), sum(map(passes_on, own))
    return f"{100 * one_call / len(every):.1f} %; {100 * passing / len(own):.1f} %"


def functions(tree: ast.AST, without: Sequence[str] = ()) -> Iterator[Function]:
    """All functions, but for those within the classes of these names."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and node.name in without:
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        yield from functions(node, without)


def forwards(function: Function) -> bool:
    """Whether its body is one call, whose answer it returns or drops."""
    return _only_call(function) is not None


def passes_on(function: Function) -> bool:
    """Whether it only passes parameters and attributes on to a call, and makes no object."""
    call = _only_call(function)
    if call is None or not _is_name(call.func) or _names_class(call.func):
        return False
    return all(map(_is_name, [*call.args, *(each.value for each in call.keywords)]))


def _only_call(function: Function) -> ast.Call | None:
    body = [each for each in function.body if not _is_docstring(each)]
    if len(body) != 1 or not isinstance(body[0], ast.Return | ast.Expr):
        return None
    value = body[0].value
    while isinstance(value, ast.Await):
        value = value.value
    return value if isinstance(value, ast.Call) else None


def _is_name(node: ast.expr) -> bool:
    """Whether it is a name, an attribute of one, or the items of either."""
    while isinstance(node, ast.Attribute | ast.Starred):
        node = node.value
    return isinstance(node, ast.Name)


def _names_class(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else ast.unparse(node)
    return name.lstrip("_")[:1].isupper()


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _reworded() -> int:
    """The shared statements that PostgreSQL has in words of its own."""
    shared = _statements((CORE.folder / "src" / CORE.package).rglob("*.sql"))
    return len(shared & _statements((POSTGRES.folder / "src" / POSTGRES.package).glob("*.sql")))


def _statements(files: Iterable[Path]) -> set[str]:
    found = re.compile(r"^-- name: (\w+)", re.MULTILINE)
    return {
        f"{path.name}:{name}"
        for path in files
        for name in found.findall(path.read_text(encoding="utf-8"))
    }


def _large_classes() -> str:
    large = [
        node.name
        for path, tree in _sources().items()
        for node in _classes(tree)
        if "conformance" not in path.parts and node.name not in FACADES and _is_large(node)
    ]
    return f"{len(large)}"


def _is_large(node: ast.ClassDef) -> bool:
    length = (node.end_lineno or node.lineno) - node.lineno
    return length > LONG_CLASS or len(_methods(node)) > MANY_METHODS


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def _methods(node: ast.ClassDef) -> Sequence[ast.stmt]:
    return [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]


def _modules() -> str:
    long = sum(1 for path in _written() if _length(path) > LONG_MODULE)
    ((_, most),) = Counter(path.parent for path in _sources()).most_common(1)
    return f"{long}; {most}"


def _lines() -> str:
    core = sum(_length(path) for path in _sources() if path.is_relative_to(CORE.folder))
    return f"{core:,}; {sum(map(_length, _sources())):,}"


@cache
def _length(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


# -- what is built and tested ----------------------------------------------------------------------


def _wheel() -> str:
    wheel = CORE.wheel()
    size = f"{wheel.stat().st_size / 1000:,.0f} kB" if wheel.exists() else "not built"
    return f"{size}; {sum('sys_platform' not in each for each in CORE.third_party)}"


def _tests() -> str:
    report = REPORTS / "junit.xml"
    if not report.exists():
        return "not run"
    suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 - we wrote it
    tests = sum(int(each.get("tests", 0)) for each in suites)
    return f"{tests:,}; {sum(float(each.get('time', 0)) for each in suites):,.0f}"
