"""The tests, run against the built wheels in environments made for this run alone.

Each numbered scenario is a process of its own, with a clean folder, on every backend, on the
project's least and on the newest installed Python. The suites run on the least one: those of
EACH on every backend, those of ONCE where all backends are installed together. Environments,
databases, the private PostgreSQL and logs are gone afterwards.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dev import interpreters, junit, postgres
from dev.console import TaskFailed, environment, run, say, step
from dev.databases import masked
from dev.interpreters import Interpreter
from dev.junit import Counts
from dev.package import package
from dev.postgres_programs import VARIABLE
from dev.project import ALL, BACKENDS, POSTGRES, PYTHON_LEAST, REPORTS, ROOT, TESTS, backend_named
from dev.sandbox import Sandbox

# In the order in which they take longest.
EACH = ("process", "model", "pages")
ONCE = ("unit", "conformance", "packaging", "dispatcher")
# Somewhat more than twice the cores of a small machine: tests with several processes mostly wait
# for them. With four a core idles now and then; with more than five all of it takes as long, and
# the longest tests come near their time limits.
WORKERS = 5
# A process that is still running then has hung; single tests have a shorter limit of their own. The
# longest suite takes a third of this, or all of 480 s on a machine that is busy with other things.
JOB_SECONDS = 900
_NO_TESTS = 5
_MARK = re.compile(r'^pytestmark = pytest\.mark\.backend\("(\w+)"', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asked for."""

    backend: str | None = None
    file: str | None = None
    expression: str | None = None
    all_pythons: bool = False
    python: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One environment: an interpreter with one backend's wheels, or with ``all``."""

    interpreter: Interpreter
    backend: str

    @property
    def name(self) -> str:
        """As tox calls it: ``py311-sqlite``."""
        return f"{self.interpreter.tox_factor}-{self.backend}"


@dataclass(frozen=True, slots=True)
class Job:
    """One run of pytest, in a process and a folder of its own; on no backend, if not on one."""

    target: Target
    path: Path
    backend: str | None

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.path.relative_to(TESTS).as_posix()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. ``problem`` is empty when all is well."""

    job: Job
    counts: Counts
    seconds: float
    report: Path
    output: str
    problem: str


def test(wanted: Wanted) -> Counts:
    """Build, install, run, report; fails when a test did, or when there was none."""
    jobs = plan(wanted, interpreters.installed())
    package()
    with tempfile.TemporaryDirectory(prefix="cloaca-test-") as name, _server_for(jobs) as settings:
        folder = Path(name)
        pythons = _environments(folder, list(dict.fromkeys(job.target for job in jobs)))
        outcomes = _run_all(jobs, pythons, folder, settings, wanted.expression)
        junit.merge(
            [(f"{each.job.target.name} {each.job.name}", each.report) for each in outcomes],
            REPORTS / "junit.xml",
        )
    return _conclude(outcomes)


@contextmanager
def _server_for(jobs: Sequence[Job]) -> Iterator[Mapping[str, str]]:
    """What tells the tests of a PostgreSQL that is there for this run, if any of them needs it."""
    if all(job.target.backend not in (POSTGRES.backend, ALL) for job in jobs):
        yield {}
        return
    step("finding a PostgreSQL")
    with postgres.server() as url:
        say(f"  {masked(url)}")
        yield {VARIABLE: url}


# -- what to run ---------------------------------------------------------------------------------


def plan(wanted: Wanted, found: Sequence[Interpreter]) -> list[Job]:
    """The jobs, longest first. Pure but for looking at the test files."""
    if not found:
        raise TaskFailed(f"no working Python from {PYTHON_LEAST} on was found")
    found = _pythons(found, wanted.python)
    names = _backends(wanted.backend)
    pythons = list(found) if wanted.all_pythons else [found[0]]
    if wanted.file is not None:
        jobs = list(_jobs_of(_test_file(wanted.file), names, pythons))
        if not jobs:
            raise TaskFailed(f"--file {wanted.file!r} holds no test for {', '.join(names)}")
        return jobs
    ends = pythons if wanted.all_pythons else list(dict.fromkeys([found[0], found[-1]]))
    jobs = [job for suite in _suites() for job in _jobs_of(TESTS / suite, names, pythons)]
    # One target after the other: the jobs of a file that waits a lot must not all wait at once.
    # Those that wait for ticks have high numbers, so backwards: the last job should be a short one.
    return jobs + [
        job
        for python in ends
        for backend in names
        for path in reversed(scenarios())
        for job in _jobs_of(path, [backend], [python])
    ]


def _pythons(found: Sequence[Interpreter], wanted: str | None) -> Sequence[Interpreter]:
    """All of them, or the one that was asked for."""
    chosen = [each for each in found if wanted in (None, each.minor)]
    if not chosen:
        here = ", ".join(each.minor for each in found)
        raise TaskFailed(f"--python {wanted!r} was not found; there is {here}")
    return chosen


def _backends(wanted: str | None) -> list[str]:
    """The one that was asked for, or all."""
    found = BACKENDS if wanted is None else [backend_named(wanted)]
    return [each.backend for each in found]


def _jobs_of(path: Path, backends: Sequence[str], pythons: Sequence[Interpreter]) -> Iterator[Job]:
    suite = path.relative_to(TESTS).parts[:1]
    jobs = _jobs_once if suite and suite[0] in ONCE else _jobs_on_each
    return jobs(path, backends, pythons)


def _jobs_on_each(
    path: Path, backends: Sequence[str], pythons: Sequence[Interpreter]
) -> Iterator[Job]:
    """A job per backend, with that one alone installed; but for a file that belongs to another."""
    only = _belongs_to(path)
    for backend in backends:
        if only in (None, backend):
            yield from (Job(Target(each, backend), path, backend) for each in pythons)


def _jobs_once(
    path: Path, backends: Sequence[str], pythons: Sequence[Interpreter]
) -> Iterator[Job]:
    """A job for all backends. SQLite alone does where no other is tested; they all need it."""
    narrowed = backends[0] if len(backends) == 1 else None
    installed = "sqlite" if narrowed == "sqlite" else ALL
    yield from (Job(Target(each, installed), path, narrowed) for each in pythons)


def _belongs_to(path: Path) -> str | None:
    """The backend that all of a file is marked for: on another one it would hold no test."""
    if path.is_dir():
        return None
    found = _MARK.search(path.read_text(encoding="utf-8"))
    return found[1] if found else None


def _test_file(name: str) -> Path:
    """A test file or folder as a person writes it: from here, from the root, from the tests."""
    for base in (Path.cwd(), ROOT, TESTS):
        path = (base / name).resolve()
        if path.exists() and path.is_relative_to(TESTS):
            return path
    raise TaskFailed(f"--file {name!r} is no file or folder in python-tests")


def _suites() -> Iterator[str]:
    """Those suites that hold a test."""
    return (suite for suite in EACH + ONCE if any((TESTS / suite).rglob("test_*.py")))


def scenarios() -> list[Path]:
    """The numbered files, in the order of their numbers."""
    return sorted(TESTS.glob("test_[0-9][0-9]_*.py"))


# -- where to run it -----------------------------------------------------------------------------


def _environments(folder: Path, targets: Sequence[Target]) -> dict[Target, Path]:
    """An environment per target, by tox; each target's Python with the wheels installed."""
    step(f"making environments: {', '.join(target.name for target in targets)}")
    work = folder / "tox"
    names = ",".join(target.name for target in targets)
    tox = [sys.executable, "-m", "tox", "run", "--notest", "--quiet", "--workdir", str(work)]
    command = [*tox, "--skip-missing-interpreters", "false", "-e", names]
    # tox looks on PATH, where a broken shim would stop it: those that were tried come first.
    found = [str(target.interpreter.path.parent) for target in targets]
    path = os.pathsep.join([*found, os.environ["PATH"]])
    run(command, cwd=ROOT, env={"PATH": path}, quiet=True)
    return {target: _filled(work / target.name, target) for target in targets}


def _filled(folder: Path, target: Target) -> Path:
    sandbox = Sandbox(folder)
    sandbox.install_for(target.backend)
    return sandbox.python


# -- running -------------------------------------------------------------------------------------


def _run_all(
    jobs: Sequence[Job],
    pythons: dict[Target, Path],
    folder: Path,
    settings: Mapping[str, str],
    expression: str | None,
) -> list[Outcome]:
    step(f"running {len(jobs)} test processes, {WORKERS} at a time")
    running: set[subprocess.Popen[bytes]] = set()
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        futures = [
            pool.submit(
                _run_job,
                job,
                _pytest(job, pythons[job.target], folder / f"job-{number}", expression),
                folder / f"job-{number}",
                _settings(job, settings),
                running,
            )
            for number, job in enumerate(jobs)
        ]
        try:
            return [_shown(future.result()) for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                _kill(process)
            raise


def _settings(job: Job, common: Mapping[str, str]) -> dict[str, str]:
    """The environment of a job; what the person's own shell says of a backend is not asked."""
    chosen = {} if job.backend is None else {"CLOACA_TEST_BACKEND": job.backend}
    kept = {key: text for key, text in environment().items() if key != "CLOACA_TEST_BACKEND"}
    return kept | dict(common) | chosen


def _run_job(
    job: Job,
    command: Sequence[str],
    folder: Path,
    settings: Mapping[str, str],
    running: set[subprocess.Popen[bytes]],
) -> Outcome:
    folder.mkdir()
    report, log = folder / "junit.xml", folder / "output.txt"
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own, so that what a test left running can be ended with it.
            start_new_session=True,
        )
        running.add(process)
        code = _wait(process)
        running.discard(process)
    counts = junit.read(report)
    return Outcome(
        job,
        counts or Counts(),
        time.monotonic() - started,
        report,
        log.read_text(encoding="utf-8", errors="replace"),
        _problem(code, counts, filtered="-k" in command),
    )


def _pytest(job: Job, python: Path, folder: Path, expression: str | None) -> list[str]:
    return [
        *(str(python), "-m", "pytest", str(job.path)),
        *("--rootdir", str(ROOT), "--config-file", str(ROOT / "pytest.ini")),
        *("--basetemp", str(folder / "tmp"), "--junitxml", str(folder / "junit.xml")),
        *("--quiet", "-p", "no:cacheprovider"),
        *(() if _mentions(job.path, "hypothesis") else ("-p", "no:hypothesispytest")),
        *(("-k", expression) if expression is not None else ()),
    ]


def _mentions(path: Path, module: str) -> bool:
    """Whether a file may import this module; any suite may. Its plugin takes half a second."""
    return path.is_dir() or module in path.read_text(encoding="utf-8")


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code; None for a process that had to be killed because it hung."""
    try:
        return process.wait(timeout=JOB_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Its group may outlive it: what a test started and forgot ends here.
        _kill(process)
        process.wait()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything in its group."""
    if os.name == "nt":
        process.kill()
        return
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _problem(code: int | None, counts: Counts | None, *, filtered: bool) -> str:
    if code is None:
        return f"hung for {JOB_SECONDS} s and was killed"
    if code == 0 or (code == _NO_TESTS and filtered):
        return ""
    if code == _NO_TESTS:
        return "holds no test"
    if counts is None:
        return f"pytest died with exit code {code}"
    return "" if counts.failed else f"pytest ended with exit code {code}"


# -- telling -------------------------------------------------------------------------------------


def _shown(outcome: Outcome) -> Outcome:
    """Say, while others still run, that this one ended."""
    say(f"  {outcome.job.target.name} {outcome.job.name}: {_ended(outcome)}")
    return outcome


def _ended(outcome: Outcome) -> str:
    return outcome.problem or str(outcome.counts)


def _conclude(outcomes: Sequence[Outcome]) -> Counts:
    """Failures in full, the table, the closing line; raises when not all is well."""
    bad = [each for each in outcomes if each.problem or each.counts.failed]
    for outcome in bad:
        step(f"output of {outcome.job.target.name} {outcome.job.name}")
        say(outcome.output.rstrip())
    step("results")
    say(table(outcomes))
    # A process that died without a report is one failure, or it would be counted nowhere.
    counts = sum((each.counts for each in outcomes), Counts())
    counts += Counts(failed=sum(1 for each in bad if not each.counts.failed))
    say(f"report: {(REPORTS / 'junit.xml').relative_to(ROOT)}")
    say(str(counts))
    if bad:
        raise TaskFailed(", ".join(f"{each.job.target.name} {each.job.name}" for each in bad))
    if not counts.total:
        raise TaskFailed("no test matched")
    return counts


def table(outcomes: Sequence[Outcome]) -> str:
    """One row per process, in columns."""
    head = ("environment", "tests", "passed", "failed", "skipped", "seconds", "")
    rows = [head, *(_row(each) for each in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    return "\n".join(_line(row, widths) for row in rows)


def _row(outcome: Outcome) -> tuple[str, ...]:
    counts = outcome.counts
    numbers = (counts.passed, counts.failed, counts.skipped)
    return (
        outcome.job.target.name,
        outcome.job.name,
        *(str(number) for number in numbers),
        f"{outcome.seconds:.1f}",
        outcome.problem,
    )


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Words to the left, numbers to the right."""
    cells = [
        cell.ljust(width) if column in (0, 1, 6) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
