"""Reads and checks the mutants of the project in ``python-tests/mutants/*.toml``.

Refuses a faulty entry: an unknown or missing field, a name that is taken, a file or a test file
that does not exist, a text that does not occur exactly once. Runs nothing.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.console import TaskFailed
from dev.project import BACKENDS

FOLDER = Path("python-tests") / "mutants"
"""Folder of the lists, from the root."""

_TEXTS = ("name", "file", "old", "new")
_FIELDS = {*_TEXTS, "tests", "backend"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule of the project, broken on purpose: in ``file`` the text ``new`` replaces ``old``.

    ``tests`` are files or nodes of pytest, of which at least one must fail then. They run on
    ``backend``, or on pytest's default for None. ``list_name`` is the file with the mutant.
    """

    list_name: str
    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    backend: str | None = None

    def __str__(self) -> str:
        return f"{self.list_name}: {self.name}"


def read(root: Path) -> list[Mutant]:
    """Read all mutants of this tree in the order of the lists; fails with all their faults."""
    problems: list[str] = []
    mutants: list[Mutant] = []
    for path in sorted((root / FOLDER).glob("*.toml")):
        mutants += _mutants_of(path, problems)
    problems += [
        f"the name {name!r} is used {count} times"
        for name, count in Counter(each.name for each in mutants).items()
        if count > 1
    ]
    problems += [f"{each}: {problem}" for each in mutants for problem in _faults(root, each)]
    if problems:
        raise TaskFailed("\n".join(problems))
    return mutants


def chosen(mutants: Iterable[Mutant], only: str | None) -> list[Mutant]:
    """Mutants whose name, file or list contains this text; without one, all of them."""
    found = [each for each in mutants if only is None or _mentions(each, only)]
    if not found:
        raise TaskFailed(
            f"no mutant in {FOLDER} mentions {only!r}" if only else f"no mutant in {FOLDER}"
        )
    return found


def _mentions(mutant: Mutant, text: str) -> bool:
    return any(text in each for each in (mutant.name, mutant.file, mutant.list_name))


# -- one list ------------------------------------------------------------------------------------


def _mutants_of(path: Path, problems: list[str]) -> Iterator[Mutant]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path.name}: {error}")
        return
    tables = content.pop("mutant", [])
    problems += [f"{path.name}: {key!r} stands outside of a [[mutant]]" for key in content]
    if not isinstance(tables, list):
        problems.append(f"{path.name}: write [[mutant]] with two brackets")
        return
    for number, table in enumerate(tables, 1):
        where = f"{path.name}, mutant {number}"
        if faults := list(_faults_of_fields(table)):
            problems += [f"{where}: {fault}" for fault in faults]
        else:
            yield Mutant(path.name, **table | {"tests": tuple(table["tests"])})


def _faults_of_fields(table: object) -> Iterator[str]:
    if not isinstance(table, dict):
        yield "is no table"
        return
    if unknown := table.keys() - _FIELDS:
        yield f"has unknown fields: {', '.join(sorted(unknown))}"
    for field in _TEXTS:
        if not isinstance(table.get(field), str) or (field != "new" and not table[field].strip()):
            yield f"{field!r} must be a text"
    if not _are_texts(table.get("tests")):
        yield "'tests' must be a list of at least one test"
    names = [each.backend for each in BACKENDS]
    if table.get("backend") not in (None, *names):
        yield f"'backend' must be one of {', '.join(names)}"


def _are_texts(tests: object) -> bool:
    return isinstance(tests, list) and bool(tests) and all(isinstance(each, str) for each in tests)


# -- one mutant in the tree ----------------------------------------------------------------------


def _faults(root: Path, mutant: Mutant) -> Iterator[str]:
    if mutant.old == mutant.new:
        yield "'old' and 'new' are the same"
    path = root / mutant.file
    if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        yield f"there is no file {mutant.file}"
    elif (count := path.read_text(encoding="utf-8").count(mutant.old)) != 1:
        yield f"'old' occurs {count} times in {mutant.file}, not once"
    yield from (
        f"there is no test file {test}" for test in mutant.tests if not _test_file(root, test)
    )


def _test_file(root: Path, test: str) -> bool:
    return test.startswith("python-tests/") and (root / test.partition("::")[0]).is_file()


def tests_of(mutants: Sequence[Mutant]) -> list[str]:
    """All tests of these mutants, each once."""
    return list(dict.fromkeys(test for each in mutants for test in each.tests))
