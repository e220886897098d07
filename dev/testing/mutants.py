"""Breaks rules of the project one by one, and reports those that the tests do not notice.

The mutants are our own list, kept as data in ``python-tests/mutants``, and not generated from each
line, as cosmic-ray and mutmut do: a chosen mutation states a rule, and a hundred of them run in
minutes. Nothing in the checkout is changed: each worker has a copy of the tree, breaks one rule in
it, runs the few tests that must fail, straight from the sources, and repairs it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias, assert_never

from dev import process_groups
from dev.console import TaskFailed, environment, say, step
from dev.databases import sources
from dev.databases.programs import VARIABLE
from dev.databases.urls import masked
from dev.project import DISTRIBUTIONS, POSTGRES, ROOT
from dev.testing import mutant_lists
from dev.testing.jobs import BROWSER
from dev.testing.mutant_lists import Mutant

SECONDS: Final = 60.0
"""Time limit for the tests of a mutant, which take a few seconds."""
UNBROKEN_SECONDS: Final = 600.0
"""Time limit for all of them together, when nothing is broken."""
_BACKEND: Final = "CLOACA_TEST_BACKEND"
_LEFT_OUT: Final = shutil.ignore_patterns(
    *(".git", ".venv", ".tox", ".cache", ".*_cache", "__pycache__", "*.egg-info", ".hypothesis"),
    *("debug-env-*", ".demo", ".services", ".reports", ".backups"),
)
_MADE: Final = {str(ROOT / name) for name in ("dist", "site")}
"""Folders that are left out too. Packages may have the same names."""
# Meaning of pytest's exit codes.
_PASSED, _FAILED = 0, 1
_NOTHING_RUN: Final = (3, 4, 5)
_FAILURE: Final = re.compile(r"^FAILED [^[ ]*::(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Killed:
    """A test failed, as it must, or the tests hung; ``how`` says which."""

    how: str


@dataclass(frozen=True, slots=True)
class Survived:
    """All tests passed: none of them tests the rule."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """The tests could not even be run on the broken code; ``output`` is pytest's."""

    output: str


Fate: TypeAlias = Killed | Survived | Unclear


@dataclass(frozen=True, slots=True)
class Result:
    """Result of testing a mutant."""

    mutant: Mutant
    fate: Fate
    seconds: float


def run(only: str | None = None, *, jobs: int = 2) -> None:
    """Try the mutants that mention ``only``, ``jobs`` at a time; fails when one survives."""
    if jobs < 1:
        raise TaskFailed(f"--jobs must be at least 1, not {jobs}")
    mutants = mutant_lists.chosen(mutant_lists.read(ROOT), only)
    with (
        tempfile.TemporaryDirectory(prefix="cloaca-mutants-", ignore_cleanup_errors=True) as name,
        _server_for(mutants) as settings,
    ):
        first = Tree(Path(name) / "tree-1", settings, Processes())
        shutil.copytree(ROOT, first.folder, symlinks=True, ignore=left_out)
        _check_unbroken(first, mutants)
        results = _try_all(mutants, _trees(first, min(jobs, len(mutants))))
    _conclude(results)


def left_out(folder: str, names: list[str]) -> set[str]:
    """What of a folder is not copied."""
    made = {name for name in names if f"{folder}{os.sep}{name}" in _MADE}
    return _LEFT_OUT(folder, names) | made


@contextmanager
def _server_for(mutants: Sequence[Mutant]) -> Iterator[Mapping[str, str]]:
    """Variables with the URL of a PostgreSQL, if any of the tests needs it."""
    if all(each.backend != POSTGRES.backend for each in mutants):
        yield {}
        return
    step("finding a PostgreSQL")
    with sources.server() as url:
        say(f"  {masked(url)}")
        yield {VARIABLE: url}


# -- a copy of the tree --------------------------------------------------------------------------


def _trees(first: Tree, count: int) -> list[Tree]:
    """Copy the tree. Files keep their times, so code compiled in the first is valid in all."""
    trees = [first]
    for number in range(2, count + 1):
        tree = replace(first, folder=first.folder.parent / f"tree-{number}")
        shutil.copytree(first.folder, tree.folder, symlinks=True)
        trees.append(tree)
    return trees


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of a run of pytest; ``code`` is None when it hung."""

    code: int | None
    output: str


class Processes:
    """Programs with a time limit. A program's remaining children are killed at its end."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = False

    def run(self, command: Sequence[str], folder: Path, env: Mapping[str, str], most: float) -> Ran:
        """Run a program to its end, or for ``most`` seconds."""
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A separate group, so that its children can be killed with it.
                start_new_session=True,
            )
            self._running.add(process)
            code = process_groups.wait(process, 0 if self._ended else most)
            self._running.discard(process)
            output.seek(0)
            return Ran(code, output.read().decode(errors="replace"))

    def end_all(self) -> None:
        """Kill all running programs, and each that is started after this."""
        self._ended = True
        for process in list(self._running):
            process_groups.kill(process)


@dataclass(frozen=True, slots=True)
class Tree:
    """A copy of the tree, in which one rule after the other is broken and repaired."""

    folder: Path
    settings: Mapping[str, str]
    processes: Processes

    @contextmanager
    def broken(self, mutant: Mutant) -> Iterator[None]:
        """Break this rule during the block."""
        path = self.folder / mutant.file
        sound, times = path.read_bytes(), path.stat()
        path.write_bytes(sound.replace(mutant.old.encode(), mutant.new.encode()))
        # Python recognises outdated compiled code only by size and whole seconds.
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns + 10**10))
        try:
            yield
        finally:
            path.write_bytes(sound)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def test(
        self,
        tests: Sequence[str],
        *options: str,
        backend: str | None,
        most: float,
        compiles: bool = False,
    ) -> Ran:
        """Run these tests on the present sources."""
        pytest = (sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider")
        base = ("--basetemp", str(self.folder.parent / f"{self.folder.name}-tmp"))
        env = self._environment(backend, compiles=compiles)
        return self.processes.run([*pytest, *base, *options, *tests], self.folder, env, most)

    def _environment(self, backend: str | None, *, compiles: bool) -> dict[str, str]:
        """Variables of the tests, without the choice of a backend in the user's own shell."""
        kept = {key: text for key, text in environment().items() if key != _BACKEND}
        sources = [str(self.folder / each.name / "src") for each in DISTRIBUTIONS]
        kept["PYTHONPATH"] = os.pathsep.join(sources)
        if not compiles:  # else compiled broken code could be taken for that of sound code
            kept["PYTHONDONTWRITEBYTECODE"] = "1"
        if backend is not None:
            kept[_BACKEND] = backend
        return kept | dict(self.settings)


# -- trying --------------------------------------------------------------------------------------


def _check_unbroken(tree: Tree, mutants: Sequence[Mutant]) -> None:
    """Fail unless each named test exists and passes while nothing is broken."""
    step("running the named tests while nothing is broken")
    for backend in dict.fromkeys(each.backend for each in mutants):
        tests = mutant_lists.tests_of([each for each in mutants if each.backend == backend])
        # Last, as the browser's loop runs to the end of the process, and no async test beside it.
        tests = sorted(tests, key=lambda test: f"/{BROWSER}/" in test)
        ran = tree.test(tests, "-rp", backend=backend, most=UNBROKEN_SECONDS, compiles=True)
        if ran.code != _PASSED:
            problem = "hang" if ran.code is None else "do not pass"
            raise TaskFailed(f"{ran.output.rstrip()}\nwithout any mutant the tests {problem}")
        if lacking := [each for each in tests if not _has_passed(each, ran.output)]:
            names = "\n".join(f"  {each}" for each in lacking)
            raise TaskFailed(f"no test was run of:\n{names}")


def _has_passed(test: str, output: str) -> bool:
    """True when pytest's list of passed tests has this node, or one below it."""
    begins = tuple(f"PASSED {test}{end}" for end in ("\n", "::", "["))
    return any(line.startswith(begins) for line in output.splitlines(keepends=True))


def _try_all(mutants: Sequence[Mutant], trees: Sequence[Tree]) -> list[Result]:
    step(f"{len(mutants)} mutant(s), {len(trees)} at a time")
    free: SimpleQueue[Tree] = SimpleQueue()
    for tree in trees:
        free.put(tree)
    with ThreadPoolExecutor(max_workers=len(trees)) as pool:
        futures = [pool.submit(_try, mutant, free) for mutant in mutants]
        try:
            return [_shown(future.result()) for future in as_completed(futures)]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            trees[0].processes.end_all()
            raise


def _try(mutant: Mutant, free: SimpleQueue[Tree]) -> Result:
    tree = free.get()
    started = time.monotonic()
    try:
        with tree.broken(mutant):
            ran = tree.test(mutant.tests, "-x", backend=mutant.backend, most=SECONDS)
    finally:
        free.put(tree)
    return Result(mutant, _fate(ran), time.monotonic() - started)


def _fate(ran: Ran) -> Fate:
    if ran.code == _PASSED:
        return Survived()
    if ran.code in _NOTHING_RUN or "ERROR collecting" in ran.output:
        return Unclear(ran.output)
    if ran.code is None:
        return Killed(f"its tests hung for {SECONDS:.0f} s")
    if ran.code == _FAILED:
        return Killed(f"by {_first_failure(ran.output)}")
    return Killed(f"pytest ended with exit code {ran.code}")


def _first_failure(output: str) -> str:
    """The name of the test, without its file and its parameters."""
    found = _FAILURE.search(output)
    return found[1] if found else "a fixture"


# -- report --------------------------------------------------------------------------------------


def _shown(result: Result) -> Result:
    say(f"  {_told(result.fate)}: {result.mutant} ({result.seconds:.1f} s)")
    return result


def _told(fate: Fate) -> str:
    match fate:
        case Killed(how):
            return f"killed, {how}"
        case Survived():
            return "SURVIVED"
        case Unclear():
            return "UNCLEAR"
        case _:
            assert_never(fate)


def _conclude(results: Sequence[Result]) -> None:
    """Print the survivors with their files and tests; raises when there is one."""
    for result in results:
        if isinstance(result.fate, Unclear):
            step(f"the tests could not be run of {result.mutant}")
            say(result.fate.output.rstrip())
    bad = [each.mutant for each in results if not isinstance(each.fate, Killed)]
    if not bad:
        say(f"{len(results)} of {len(results)} mutants were killed")
        return
    step("survivors")
    for mutant in bad:
        say(f"  {mutant}\n    in {mutant.file}, which passes {', '.join(mutant.tests)}")
    raise TaskFailed(f"{len(bad)} of {len(results)} mutants survived")
