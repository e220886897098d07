"""Runs the tests against the built wheels in temporary environments.

``jobs`` plans a run, ``results`` reports it, ``leftovers`` removes the remains of killed runs. Each
job is a process with its own empty folder, each test has its own database. Environments, databases,
the private PostgreSQL and logs are removed afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from dev import process_groups, scratch
from dev.console import environment, run, say, step
from dev.databases import sources, urls
from dev.databases.programs import VARIABLE
from dev.environments import browser, interpreters
from dev.environments.compiled import compile_once
from dev.environments.interpreters import Interpreter
from dev.environments.sandbox import Sandbox
from dev.packaging.artefacts import package
from dev.project import ALL, POSTGRES, ROOT
from dev.testing import junit, leftovers, results
from dev.testing.jobs import BACKEND_VARIABLE, BROWSER, Job, Target, Wanted, plan
from dev.testing.junit import Counts
from dev.testing.results import Outcome

# Somewhat more than twice the cores of a small machine: tests with several processes mostly wait
# for them. With four a core is sometimes idle; more than five are no faster, and the longest tests
# come near their time limits.
WORKERS = 5
# A process in which no test begins for so long has hung outside of its tests: a test has a limit of
# its own, and ends the process at twice that. The process as a whole has no limit, since a busy
# machine may take any multiple of its usual time.
HUNG_SECONDS = 900
_NO_TESTS = 5


def test(wanted: Wanted) -> Counts:
    """Build, install, run, report; fails when a test failed, or when there was none."""
    jobs = plan(wanted, interpreters.installed())
    for place in scratch.folders():
        leftovers.sweep(place)
    package()
    if any(job.share.name.startswith(BROWSER) for job in jobs):
        browser.provide()
    with (
        leftovers.run_folder() as environments,
        leftovers.run_folder(scratch.folder()) as folder,
        _server_for(jobs) as settings,
    ):
        if VARIABLE in settings:
            leftovers.sweep_server(settings[VARIABLE])
        pythons = _environments(environments, list(dict.fromkeys(job.target for job in jobs)))
        outcomes = _run_all(jobs, pythons, folder, settings, wanted.expression)
        results.merge(outcomes)
    return results.conclude(outcomes)


@contextmanager
def _server_for(jobs: Sequence[Job]) -> Iterator[Mapping[str, str]]:
    """Variables with the URL of a PostgreSQL for this run, if any of the tests needs it."""
    if all(job.target.backend not in (POSTGRES.backend, ALL) for job in jobs):
        yield {}
        return
    step("finding a PostgreSQL")
    with sources.server() as url:
        say(f"  {urls.masked(url)}")
        yield {VARIABLE: url}


# -- environments --------------------------------------------------------------------------------


def _environments(folder: Path, targets: Sequence[Target]) -> dict[Target, Path]:
    """Make an environment per target with tox; the Python of each, with the wheels installed.

    Each is filled as soon as a worker is free: downloads and disks are waited for.
    """
    step(f"making environments: {', '.join(target.name for target in targets)}")
    work = folder / "tox"
    names = ",".join(target.name for target in targets)
    tox = [sys.executable, "-m", "tox", "run", "--notest", "--quiet", "--workdir", str(work)]
    command = [*tox, "--skip-missing-interpreters", "false", "-e", names]
    # tox searches PATH, where a broken shim would stop it: working interpreters come first.
    found = [str(target.interpreter.path.parent) for target in targets]
    path = os.pathsep.join([*found, os.environ["PATH"]])
    run(command, cwd=ROOT, env={"PATH": path}, quiet=True)
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        filled = pool.map(lambda each: _filled(work / each.name, each), targets)
        boxes = dict(zip(targets, filled, strict=True))
        list(pool.map(compile_once, _by_interpreter(boxes)))
    return {target: box.python for target, box in boxes.items()}


def _filled(folder: Path, target: Target) -> Sandbox:
    sandbox = Sandbox(folder)
    sandbox.install_for(target.backend, testing=True, locked=True, beside=target.beside)
    return sandbox


def _by_interpreter(boxes: Mapping[Target, Sandbox]) -> list[list[Sandbox]]:
    """The environments of each interpreter, first one that has everything that the others have."""
    found: dict[Interpreter, list[Sandbox]] = {}
    for target in sorted(boxes, key=lambda each: each.backend != ALL):
        found.setdefault(target.interpreter, []).append(boxes[target])
    return list(found.values())


# -- running -------------------------------------------------------------------------------------


def _run_all(
    jobs: Sequence[Job],
    pythons: dict[Target, Path],
    folder: Path,
    settings: Mapping[str, str],
    expression: str | None,
) -> list[Outcome]:
    """Run the jobs, and report each at its end; the outcomes in the order of the jobs."""
    step(f"running {len(jobs)} test processes, {WORKERS} at a time")
    running: set[subprocess.Popen[bytes]] = set()
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        futures = [
            pool.submit(
                _run_job,
                job,
                _pytest(job, pythons[job.target], folder / f"job-{number}", expression),
                folder / f"job-{number}",
                _settings(job, settings, folder),
                running,
            )
            for number, job in enumerate(jobs)
        ]
        try:
            for future in as_completed(futures):
                results.shown(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process_groups.kill(process)
            raise
    return [future.result() for future in futures]


def _settings(job: Job, common: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables of a job, without the choice of a backend in the user's own shell."""
    chosen = {} if job.backend is None else {BACKEND_VARIABLE: job.backend}
    kept = {key: text for key, text in environment().items() if key != BACKEND_VARIABLE}
    return kept | {leftovers.MARK: str(folder)} | dict(common) | chosen


def _run_job(
    job: Job,
    command: Sequence[str],
    folder: Path,
    settings: Mapping[str, str],
    running: set[subprocess.Popen[bytes]],
) -> Outcome:
    folder.mkdir()
    report, log, running_test = (folder / name for name in ("junit.xml", "output.txt", "running"))
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**settings, "CLOACA_TEST_RUNNING": str(running_test)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A separate group, so that a test's remaining processes can be killed with it.
            start_new_session=True,
        )
        running.add(process)
        code = process_groups.wait(process, HUNG_SECONDS, lambda: _noted(running_test))
        running.discard(process)
    counts = junit.read(report)
    return Outcome(
        job,
        counts or Counts(),
        time.monotonic() - started,
        _noted(folder / "cpu"),
        report,
        log.read_text(encoding="utf-8", errors="replace"),
        _problem(code, counts, filtered="-k" in command, test=_noted(running_test)),
    )


def _pytest(job: Job, python: Path, folder: Path, expression: str | None) -> list[str]:
    return [
        *(str(python), "-m", "pytest", *map(str, job.share.paths)),
        *("--rootdir", str(ROOT), "--config-file", str(ROOT / "pytest.ini")),
        *("--basetemp", str(folder / "tmp"), "--junitxml", str(folder / "junit.xml")),
        *("--quiet", "-p", "no:cacheprovider"),
        *(("-m", job.marks) if job.marks else ()),
        *(() if _mentions(job, "hypothesis") else ("-p", "no:hypothesispytest")),
        *(("-k", expression) if expression is not None else ()),
    ]


def _mentions(job: Job, module: str) -> bool:
    """True when one of its files may import this module, whose plugin takes half a second."""
    return any(module in path.read_text(encoding="utf-8") for path in job.share.paths)


def _noted(note: Path) -> str:
    """What ``conftest.py`` has noted: the last running test, or the seconds of a processor."""
    return note.read_text(encoding="utf-8") if note.exists() else ""


def _problem(code: int | None, counts: Counts | None, *, filtered: bool, test: str = "") -> str:
    """The problem of a job without a known failed test; empty when there is none."""
    where = f" in {test}" if test else ""
    if code is None:
        return f"began no test for {HUNG_SECONDS} s and was killed{where}"
    if code == 0 or (code == _NO_TESTS and filtered):
        return ""
    if code == _NO_TESTS:
        return "holds no test"
    if counts is None:
        return f"pytest died with exit code {code}{where}"
    return "" if counts.failed else f"pytest ended with exit code {code}"
