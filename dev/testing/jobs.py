"""Plans a test run: jobs, each one process of pytest, the longest first.

The numbered scenarios run on every backend: on the embedded one with the newest Python, on the
others with the oldest. So each scenario meets both backends and both Pythons. The remaining pair,
the embedded backend with the oldest Python, would take a tenth of a run; there the suites run, and
of the scenarios the tests that are of this backend alone. (The hosted matrix and ``--all-pythons``
run everything on each Python.) The suites run on the oldest Python: those of EACH on every backend,
those of ONCE where all backends are installed together. The files of EXECUTORS run on every
backend, too, each in an environment that also has the engine that it is about. The tests of the web
page run on every backend with the newest Python.

All of this is the full run. The short one, which is what runs without options, proves a fact where
it can break: on PostgreSQL those scenarios and tests of executors and the web page alone that are
marked ``each_backend`` or ``backend``, nothing that is marked ``full``, and on SQLite no scenario
twice.

Files share a process until it is expected to take ``SHARE_SECONDS``. Before its first test a
process costs a second of a core, or three where a database of PostgreSQL and workers have to be
made; and one for each file found no more faults. Every test has its own database, and tests of a
whole process (its logging, threads, forks, its exit) start programs. Nothing here starts a process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heapreplace
from math import ceil
from pathlib import Path

from dev.console import TaskFailed
from dev.environments.interpreters import Interpreter
from dev.project import ALL, BACKENDS, BESIDE, PYTHON_LEAST, ROOT, SQLITE, TESTS, backend_named

EACH = ("process", "model", "pages")
ONCE = ("unit", "virtual", "simulation", "conformance", "packaging", "dispatcher")
EXECUTORS = "executors"
BROWSER = "browser"
SCENARIOS = "scenarios"
ON_DEMAND = ("executors/test_ray.py",)
"""Run by ``--file`` only: to install and start Ray takes longer than all other executors."""
NOT_FULL = "not full"
EACH_BACKEND = "each_backend or backend"
OWN = "backend"
"""Expressions of marks, each for tests that a job is narrowed to."""
BACKEND_VARIABLE = "CLOACA_TEST_BACKEND"
"""The variable that names the backend for ``conftest.py``."""
SHARE_SECONDS = 95
"""Seconds that a process with several files may take, on a quiet machine."""
SECONDS: dict[str, float] = {
    "browser": 10,
    "browser/test_acts.py": 25,
    "browser/test_every_page.py": 38,
    "browser/test_gone_runner.py": 10,
    "browser/test_live.py": 15,
    "browser/test_schedule_acts.py": 10,
    "conformance/test_postgres.py": 45,
    "conformance/test_sqlite.py": 35,
    "dispatcher": 5,
    "dispatcher/test_dispatcher.py": 35,
    "executors/test_dask.py": 25,
    "executors/test_loky.py": 12,
    "executors/test_ray.py": 30,
    "executors/test_stdlib.py": 12,
    "model/test_store_against_model.py": 28,
    "packaging": 2,
    "packaging/test_demo.py": 6,
    "packaging/test_examples.py": 18,
    "pages": 24,
    "process": 4,
    "process/test_before_base.py": 20,
    "process/test_chaos.py": 12,
    "process/test_copy_kill.py": 10,
    "process/test_executors.py": 20,
    "process/test_fault_points.py": 12,
    "process/test_messages_kill.py": 5,
    "process/test_migrations.py": 8,
    "process/test_postgres_faults.py": 25,
    "process/test_postgres_outage.py": 35,
    "process/test_prune_kill.py": 10,
    "process/test_run_again.py": 25,
    "process/test_schedules.py": 6,
    "process/test_sharing.py": 15,
    "process/test_sqlite_log.py": 8,
    "process/test_steering.py": 45,
    "process/test_steps_kill.py": 10,
    "process/test_storms.py": 18,
    "process/test_task_logs.py": 8,
    "process/test_waits_kill.py": 40,
    "process/test_wakeups.py": 6,
    "process/test_worker_command.py": 12,
    "unit": 0.25,
    "unit/core/definition/test_fingerprint.py": 3,
    "unit/core/features/schedules/timing/test_cron_against_model.py": 12,
    "unit/core/run/test_planner.py": 9,
    "unit/dev/databases/test_cluster.py": 4,
    "unit/dev/databases/test_services.py": 8,
    "unit/dev/environments/test_installer.py": 9,
    "unit/dev/packaging/test_rendering.py": 6,
    "unit/dev/testing/test_mutants.py": 11,
    "unit/dev/testing/test_selection.py": 8,
    "unit/door/test_start_up.py": 7,
    "unit/postgres/test_dialect.py": 6,
    "unit/postgres/test_head.py": 4,
    "unit/postgres/test_opening.py": 4,
    "unit/postgres/test_outbox.py": 7,
    "unit/postgres/test_plans.py": 14,
    "unit/postgres/test_store.py": 8,
    "unit/postgres/test_url.py": 5,
    "unit/sqlite/test_opening.py": 4,
    "unit/sqlite/wakeups/test_announcements.py": 4,
    "unit/testing/test_runs_that_wait.py": 10,
    "unit/tools/transfer/test_copy.py": 10,
    "unit/tools/transfer/test_import_0x.py": 8,
    "simulation": 10,
    "virtual": 1.5,
    "virtual/test_eviction.py": 3,
    "virtual/test_faults_in_loops.py": 8,
    "scenarios/test_15_submit_many.py": 5,
    "scenarios/test_24_fork_and_exit.py": 12,
    "scenarios/test_25_examples.py": 6,
    "scenarios/test_26_readme.py": 8,
    "scenarios/test_30_quiet.py": 3,
    "scenarios/test_32_postgres_tenants.py": 15,
    "scenarios/test_35_cron_schedules.py": 7,
    "scenarios/test_37_backfill_and_instances.py": 4,
    "scenarios/test_38_triggers.py": 5,
    "scenarios/test_43_clients.py": 8,
    "scenarios/test_53_explain.py": 5,
    "scenarios/test_55_cancel.py": 5,
    "scenarios/test_56_pause.py": 4,
    "scenarios/test_57_steps.py": 6,
    "scenarios/test_65_database_tools.py": 15,
    "scenarios/test_66_command_line.py": 8,
    "scenarios/test_71_web_page.py": 10,
    "scenarios/test_77_page_under_attack.py": 14,
}
"""Seconds of a file, or of each file of a folder; the others take ``OTHERWISE``. Rounded: they only
decide the order and the shared processes, and the table of each run has the measured ones."""
OTHERWISE = 1.0
# A file or folder in these belongs to the backend whose name it has: see conftest.py.
_NAMED_AFTER_BACKENDS = ("conformance", "process", "unit")
_MARK = re.compile(r'^pytestmark = pytest\.mark\.backend\("(\w+)"', re.MULTILINE)
_EACH = "pytest.mark.each_backend"
_MARKS = re.compile(r'pytest\.mark\.backend\(\s*"(\w+)"')


@dataclass(frozen=True, slots=True)
class Wanted:
    """Selection of tests from the command line; without any it is the short form."""

    backend: str | None = None
    file: str | None = None
    expression: str | None = None
    all_pythons: bool = False
    python: str | None = None
    full: bool = False

    @property
    def short(self) -> bool:
        """True when tests are left out that say little more: when nothing else is wanted."""
        narrowed = self.backend or self.file or self.python
        return not (self.full or self.all_pythons or narrowed)


@dataclass(frozen=True, slots=True)
class Target:
    """One environment: an interpreter with one backend's wheels, or with ``all``, and perhaps with
    an engine that bodies run on.
    """

    interpreter: Interpreter
    backend: str
    executor: str | None = None

    @property
    def name(self) -> str:
        """Its name for tox: ``py311-sqlite``, ``py311-all-dask``."""
        beside = f"-{self.executor}" if self.executor else ""
        return f"{self.interpreter.tox_factor}-{self.backend}{beside}"

    @property
    def beside(self) -> tuple[str, ...]:
        """Requirements that it has beside the wheels and what they need."""
        return BESIDE[self.executor] if self.executor else ()


@dataclass(frozen=True, slots=True)
class Share:
    """Files that run in one process, in about so many seconds; ``name`` is for the table."""

    name: str
    paths: tuple[Path, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Job:
    """One run of pytest, in a separate process and folder; ``backend`` None means none.

    ``marks`` is pytest's ``-m``: only tests with these marks; empty for all.
    """

    target: Target
    share: Share
    backend: str | None
    marks: str = ""

    @property
    def name(self) -> str:
        """Its name in the table."""
        return f"{self.share.name}, own" if self.marks == OWN else self.share.name


def plan(wanted: Wanted, found: Sequence[Interpreter]) -> list[Job]:
    """Plan the jobs, longest first. Pure, except that it reads the test files."""
    if not found:
        raise TaskFailed(f"no working Python from {PYTHON_LEAST} on was found")
    found = _pythons(found, wanted.python)
    names = _backends(wanted.backend)
    pythons = list(found) if wanted.all_pythons else [found[0]]
    if wanted.file is not None:
        jobs = list(_jobs_of(test_file(wanted.file), names, pythons, newest=found[-1]))
        if not jobs:
            raise TaskFailed(f"--file {wanted.file!r} holds no test for {', '.join(names)}")
    elif wanted.short:
        jobs = list(_short_jobs(names, oldest=found[0], newest=found[-1]))
    else:
        jobs = list(_all_jobs(names, pythons, newest=found[-1]))
    return sorted(jobs, key=lambda job: job.share.seconds, reverse=True)


def _all_jobs(
    names: Sequence[str], pythons: Sequence[Interpreter], *, newest: Interpreter
) -> Iterator[Job]:
    for suite in _suites():
        yield from _jobs_of(TESTS / suite, names, pythons, newest=newest)
    yield from _executor_jobs(names, pythons)
    yield from _jobs_in_browser(TESTS / BROWSER, names, newest)
    for name in names:
        if name == SQLITE.backend and newest not in pythons:
            yield from _jobs_on_each(SCENARIOS, scenarios(), [name], [newest])
            yield from _own_jobs(SCENARIOS, scenarios(), name, pythons)
        else:
            yield from _jobs_on_each(SCENARIOS, scenarios(), [name], pythons)


def _executor_jobs(names: Sequence[str], pythons: Sequence[Interpreter]) -> Iterator[Job]:
    for path in _executor_files():
        if path.relative_to(TESTS).as_posix() not in ON_DEMAND:
            yield from _jobs_beside(path, names, pythons)


def _short_jobs(names: Sequence[str], *, oldest: Interpreter, newest: Interpreter) -> Iterator[Job]:
    """The jobs of the short form."""
    for suite in _suites():
        for job in _jobs_of(TESTS / suite, names, [oldest], newest=newest):
            yield replace(job, marks=NOT_FULL)
    for job in _executor_jobs(names, [oldest]):
        yield job if job.backend == SQLITE.backend else replace(job, marks=EACH_BACKEND)
    for name, files in (SCENARIOS, scenarios()), (BROWSER, browser_files()):
        yield from _jobs_on_each(name, files, [SQLITE.backend], [newest])
        for backend in names:
            if backend != SQLITE.backend:
                yield from _marked_jobs(name, files, backend, oldest)


def _marked_jobs(
    name: str, files: Sequence[Path], backend: str, python: Interpreter
) -> Iterator[Job]:
    """Jobs with the tests that are marked for each backend, or for this one alone."""
    marked = [path for path in files if _has_marked_tests(path, backend)]
    for share in shares(name, marked, _marked_seconds):
        yield Job(Target(python, backend), share, backend, EACH_BACKEND)


def _has_marked_tests(path: Path, backend: str) -> bool:
    if _belongs_to(path) not in (None, backend):
        return False
    return _EACH in path.read_text(encoding="utf-8") or _has_own_tests(path, backend)


def _marked_seconds(path: Path) -> float:
    """Approximate seconds of the marked tests of a file: of all, or of one or two."""
    whole = "\npytestmark" in path.read_text(encoding="utf-8")
    return expected_seconds(path) if whole else min(OTHERWISE, expected_seconds(path))


def _pythons(found: Sequence[Interpreter], wanted: str | None) -> Sequence[Interpreter]:
    """All interpreters, or the requested one."""
    chosen = [each for each in found if wanted in (None, each.minor)]
    if not chosen:
        here = ", ".join(each.minor for each in found)
        raise TaskFailed(f"--python {wanted!r} was not found; there is {here}")
    return chosen


def _backends(wanted: str | None) -> list[str]:
    """The requested backend, or all."""
    found = BACKENDS if wanted is None else [backend_named(wanted)]
    return [each.backend for each in found]


def _jobs_of(
    path: Path, backends: Sequence[str], pythons: Sequence[Interpreter], *, newest: Interpreter
) -> Iterator[Job]:
    """The jobs of a file or a folder."""
    parts = path.relative_to(TESTS).parts
    if parts and parts[0] == BROWSER:
        yield from _jobs_in_browser(path, backends, newest)
        return
    if parts and parts[0] == EXECUTORS:
        for each in _executor_files() if path.is_dir() else [path]:
            yield from _jobs_beside(each, backends, pythons)
        return
    files = sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
    jobs = _jobs_once if parts and parts[0] in ONCE else _jobs_on_each
    yield from jobs("/".join(parts), files, backends, pythons)


def _jobs_beside(
    path: Path, backends: Sequence[str], pythons: Sequence[Interpreter]
) -> Iterator[Job]:
    """Jobs per backend, of which all use one environment, with this file's executor."""
    installed = SQLITE.backend if tuple(backends) == (SQLITE.backend,) else ALL
    executor = path.stem.removeprefix("test_")
    share = _share(path.relative_to(TESTS).as_posix(), (path,))
    for backend in backends:
        yield from (Job(Target(each, installed, executor), share, backend) for each in pythons)


def _jobs_in_browser(path: Path, backends: Sequence[str], newest: Interpreter) -> Iterator[Job]:
    """Jobs per backend, on the newest Python, with only that backend installed."""
    files = sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
    for share in shares(path.relative_to(TESTS).as_posix(), files):
        yield from (Job(Target(newest, backend), share, backend) for backend in backends)


def _jobs_on_each(
    name: str, files: Sequence[Path], backends: Sequence[str], pythons: Sequence[Interpreter]
) -> Iterator[Job]:
    """Jobs per backend, with only that one installed, without files of another backend."""
    for backend in backends:
        own = [path for path in files if _belongs_to(path) in (None, backend)]
        for share in shares(name, own):
            yield from (Job(Target(each, backend), share, backend) for each in pythons)


def _own_jobs(
    name: str, files: Sequence[Path], backend: str, pythons: Sequence[Interpreter]
) -> Iterator[Job]:
    """Jobs with the tests that are of this backend alone."""
    share = _share(name, tuple(path for path in files if _has_own_tests(path, backend)))
    yield from (Job(Target(each, backend), share, backend, OWN) for each in pythons)


def _has_own_tests(path: Path, backend: str) -> bool:
    return backend in _MARKS.findall(path.read_text(encoding="utf-8"))


def _jobs_once(
    name: str, files: Sequence[Path], backends: Sequence[str], pythons: Sequence[Interpreter]
) -> Iterator[Job]:
    """Jobs with all backends installed; with SQLite alone if no other is tested."""
    narrowed = backends[0] if len(backends) == 1 else None
    installed = SQLITE.backend if narrowed == SQLITE.backend else ALL
    own = [path for path in files if narrowed is None or _belongs_to(path) in (None, narrowed)]
    for share in shares(name, own):
        yield from (Job(Target(each, installed), share, narrowed) for each in pythons)


def _belongs_to(path: Path) -> str | None:
    """The backend to which a whole file belongs: on another one it would have no test."""
    folder, name, *_ = path.relative_to(TESTS).parts
    if folder in _NAMED_AFTER_BACKENDS:
        for each in BACKENDS:
            if name.removeprefix("test_").startswith(each.backend):
                return each.backend
    found = _MARK.search(path.read_text(encoding="utf-8"))
    return found[1] if found else None


def test_file(name: str) -> Path:
    """A test file or folder by a path from here, from the root or from the tests."""
    for base in (Path.cwd(), ROOT, TESTS):
        path = (base / name).resolve()
        if path.exists() and path.is_relative_to(TESTS):
            return path
    raise TaskFailed(f"{name!r} is no file or folder in python-tests")


def _suites() -> Iterator[str]:
    """Suites that have a test."""
    return (suite for suite in EACH + ONCE if any((TESTS / suite).rglob("test_*.py")))


def _executor_files() -> list[Path]:
    return sorted((TESTS / EXECUTORS).glob("test_*.py"))


def scenarios() -> list[Path]:
    """The numbered files, in the order of their numbers."""
    return sorted((TESTS / SCENARIOS).glob("test_[0-9][0-9]_*.py"))


def browser_files() -> list[Path]:
    """The files of tests of the web page."""
    return sorted((TESTS / BROWSER).rglob("test_*.py"))


# -- shared processes ----------------------------------------------------------------------------


def expected_seconds(path: Path) -> float:
    """Approximate seconds of a file on a quiet machine."""
    name = path.relative_to(TESTS)
    return SECONDS.get(name.as_posix(), SECONDS.get(name.parts[0], OTHERWISE))


def shares(
    name: str, files: Sequence[Path], estimate: Callable[[Path], float] = expected_seconds
) -> list[Share]:
    """Divide a suite into as few shares as ``SHARE_SECONDS`` allows, of equal length."""
    seconds = {path: estimate(path) for path in files}
    shortest = [(0.0, number) for number in range(ceil(sum(seconds.values()) / SHARE_SECONDS))]
    parts: list[list[Path]] = [[] for _ in shortest]
    for path in sorted(files, key=seconds.__getitem__, reverse=True):
        so_far, number = shortest[0]
        parts[number].append(path)
        heapreplace(shortest, (so_far + seconds[path], number))
    found = [tuple(sorted(part)) for part in parts if part]
    return [
        _share(_name(name, number, found), part, estimate) for number, part in enumerate(found, 1)
    ]


def _share(
    name: str, paths: tuple[Path, ...], estimate: Callable[[Path], float] = expected_seconds
) -> Share:
    return Share(name, paths, sum(map(estimate, paths)))


def _name(suite: str, number: int, parts: Sequence[tuple[Path, ...]]) -> str:
    """The file's name, or the number of this share of the suite."""
    part = parts[number - 1]
    if len(part) == 1:
        return part[0].relative_to(TESTS).as_posix()
    return suite if len(parts) == 1 else f"{suite} {number}/{len(parts)}"
