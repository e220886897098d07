"""The jobs of a run of the tests: which files run where, and which share a process."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import each_row

from dev.console import TaskFailed
from dev.environments.interpreters import Interpreter
from dev.project import BESIDE, TESTS
from dev.testing import jobs as planning
from dev.testing.jobs import SECONDS, Wanted, plan

OLD = Interpreter((3, 11, 7), Path("python3.11"))
NEW = Interpreter((3, 13, 5), Path("python3.13"))
MIDDLE = Interpreter((3, 12, 1), Path("python3.12"))
FULL = Wanted(full=True)


# -- what a test run consists of -----------------------------------------------------------------


def jobs_of(wanted: Wanted, *found: Interpreter) -> dict[str, list[str]]:
    """The environments that each test file runs in."""
    jobs: dict[str, list[str]] = {}
    for job in plan(wanted, found):
        for path in job.share.paths:
            jobs.setdefault(path.relative_to(TESTS).as_posix(), []).append(job.target.name)
    return {name: sorted(targets) for name, targets in jobs.items()}


@each_row(
    ("expected", "name"),
    [
        # User-visible behaviour: on both backends, with SQLite on the newest Python.
        (["py311-postgres", "py313-sqlite"], "scenarios/test_03_context.py"),
        (["py311-postgres", "py311-sqlite"], "process/test_kill.py"),
        (["py311-postgres", "py311-sqlite"], "model/test_store_against_model.py"),
        (["py311-postgres", "py311-sqlite"], "pages/test_pages.py"),
        # These need all backends, or none, and say nothing new when they run twice.
        (["py311-all"], "conformance/test_sqlite.py"),
        (["py311-all"], "unit/core/engine/record/test_journal.py"),
        (["py311-all"], "unit/postgres/sessions/test_pool.py"),
        (["py311-all"], "virtual/test_retries.py"),
        (["py311-all"], "dispatcher/test_dispatcher.py"),
        (["py311-all"], "packaging/test_wheels.py"),
        # These have an engine for bodies beside all backends.
        (["py311-all-dask", "py311-all-dask"], "executors/test_dask.py"),
        (["py311-all-loky", "py311-all-loky"], "executors/test_loky.py"),
        # These share a browser, and say nothing new on another Python.
        (["py313-postgres", "py313-sqlite"], "browser/test_every_page.py"),
        # A file that is about one backend alone.
        (["py311-sqlite", "py313-sqlite"], "scenarios/test_23_databases.py"),
        (["py311-postgres"], "scenarios/test_31_postgres_databases.py"),
        (["py311-postgres"], "process/test_postgres_faults.py"),
    ],
)
def test_what_runs_where(expected: list[str], name: str) -> None:
    assert jobs_of(FULL, OLD, MIDDLE, NEW)[name] == expected


def test_what_is_of_sqlite_alone_runs_on_the_oldest_python_too() -> None:
    jobs = plan(FULL, [OLD, NEW])
    (own,) = [job for job in jobs if job.marks == planning.OWN]

    assert own.target.name == "py311-sqlite"
    names = {path.name for path in own.share.paths}
    assert {"test_23_databases.py", "test_24_fork_and_exit.py"} <= names  # wholly, and in part
    assert "test_31_postgres_databases.py" not in names
    assert "test_03_context.py" not in names
    assert [job for job in plan(FULL, [OLD]) if job.marks] == []


def test_every_test_file_runs_unless_it_is_only_run_on_demand() -> None:
    files = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    assert set(jobs_of(Wanted(), OLD)) == files - set(planning.ON_DEMAND)


def test_a_file_that_is_run_on_demand_runs_when_it_is_named() -> None:
    (name,) = planning.ON_DEMAND
    jobs = plan(Wanted(file=name), [OLD])

    assert [(job.target.name, job.backend) for job in jobs] == [
        ("py311-all-ray", "sqlite"),
        ("py311-all-ray", "postgres"),
    ]
    assert jobs[0].target.beside == BESIDE["ray"]


def test_an_engine_for_bodies_needs_no_other_backend_than_sqlite() -> None:
    jobs = plan(Wanted(backend="sqlite", file="executors/test_dask.py"), [OLD])
    assert [(job.target.name, job.backend) for job in jobs] == [("py311-sqlite-dask", "sqlite")]


def test_the_folder_of_the_engines_has_a_job_for_each_of_them() -> None:
    names = {job.target.name for job in plan(Wanted(file="executors"), [OLD])}
    assert names == {f"py311-all-{engine}" for engine in BESIDE}


def test_what_is_done_in_a_browser_is_shared_out_once_for_each_backend() -> None:
    """In one process it would be the longest of all, and the whole run would wait for it."""
    files = sorted((TESTS / "browser").glob("test_*.py"))
    for wanted in FULL, Wanted(all_pythons=True), Wanted(file="browser"):
        jobs = [job for job in plan(wanted, [OLD, NEW]) if job.share.paths[0] in files]

        for backend in ("postgres", "sqlite"):
            own = [job for job in jobs if job.target.name == f"py313-{backend}"]
            assert sorted(path for job in own for path in job.share.paths) == files
            assert {job.backend for job in own} == {backend}
            assert all(len(job.share.paths) == 1 for job in own if job.share.seconds > 95)
        assert {job.target.name for job in jobs} == {"py313-postgres", "py313-sqlite"}


@each_row("minor", ["3.11", "3.13"])
def test_the_hosted_matrix_runs_all_of_it_on_each_python(minor: str) -> None:
    hosted = [
        jobs_of(Wanted(backend=each, python=minor), OLD, NEW) for each in ("sqlite", "postgres")
    ]
    assert set().union(*hosted) == set(jobs_of(FULL, OLD))


def test_what_runs_with_all_backends_is_on_none_of_them() -> None:
    jobs = plan(Wanted(file="unit"), [OLD])
    assert {job.backend for job in jobs} == {None}


def test_a_backend_narrows_to_what_is_about_it() -> None:
    jobs = plan(Wanted(backend="postgres"), [OLD])
    assert {job.backend for job in jobs} == {"postgres"}
    assert {job.target.backend for job in jobs} == {"postgres", "all"}


def test_a_folder_named_after_the_other_backend_is_left_out() -> None:
    names = jobs_of(Wanted(backend="postgres", file="unit"), OLD)
    assert "unit/postgres/sessions/test_pool.py" in names
    assert [name for name in names if name.startswith("unit/sqlite/")] == []


def test_sqlite_alone_needs_nothing_of_the_others() -> None:
    jobs = plan(Wanted(backend="sqlite"), [OLD])
    assert {job.backend for job in jobs} == {"sqlite"}
    assert {job.target.backend for job in jobs} == {"sqlite"}


def test_with_one_python_nothing_runs_twice() -> None:
    files = [(path, job.backend) for job in plan(FULL, [OLD]) for path in job.share.paths]
    assert len(files) == len(set(files))


def test_the_longest_job_comes_first() -> None:
    seconds = [job.share.seconds for job in plan(Wanted(), [OLD, NEW])]
    assert seconds == sorted(seconds, reverse=True)


def test_every_file_that_is_said_to_take_long_is_there() -> None:
    assert [name for name in SECONDS if not (TESTS / name).exists()] == []


# -- what the short form leaves out --------------------------------------------------------------


def marks_of(wanted: Wanted) -> set[tuple[str, str, str]]:
    """The folder, the environment and the selection of each job."""
    jobs = plan(wanted, [OLD, NEW])
    return {(job.share.name.split("/")[0].split()[0], job.target.name, job.marks) for job in jobs}


def test_the_short_form_runs_on_postgres_what_is_marked_and_nothing_twice() -> None:
    found = marks_of(Wanted())
    for folder in "scenarios", "browser":
        assert {each[1:] for each in found if each[0] == folder} == {
            ("py313-sqlite", ""),
            ("py311-postgres", "each_backend or backend"),
        }
    marks = {each[2] for each in found if each[0] not in ("scenarios", "browser", "executors")}
    assert marks == {"not full"}
    engines = [each[2] for each in found if each[0] == "executors"]
    assert sorted(set(engines)) == ["", "each_backend or backend"]
    assert set(jobs_of(Wanted(), OLD, NEW)) == set(jobs_of(FULL, OLD, NEW))


@each_row(
    "wanted",
    [
        FULL,
        Wanted(backend="postgres"),
        Wanted(file="scenarios/test_03_context.py"),
        Wanted(all_pythons=True),
        Wanted(python="3.11"),
    ],
)
def test_what_is_asked_for_is_run_whole(wanted: Wanted) -> None:
    assert {each[2] for each in marks_of(wanted)} <= {"", planning.OWN}


@each_row("folder", ["scenarios", "browser"])
def test_each_file_has_a_test_for_postgres_in_the_short_form(folder: str) -> None:
    there = {path for job in plan(Wanted(backend="postgres"), [OLD]) for path in job.share.paths}
    short = {
        path
        for job in plan(Wanted(), [OLD])
        for path in job.share.paths
        if job.marks == planning.EACH_BACKEND
    }
    files = {path for path in there if path.parent == TESTS / folder}
    assert files
    assert files - short == set(), "mark one of its tests with pytest.mark.each_backend"


# -- which files share a process -----------------------------------------------------------------


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Five files that take 5, 4, 3, 2 and 1 seconds, of 6 that a process may take."""
    names = [f"unit/test_{name}.py" for name in "abcde"]
    monkeypatch.setattr(planning, "SHARE_SECONDS", 6)
    monkeypatch.setattr(planning, "SECONDS", dict(zip(names, (1, 2, 3, 4, 5), strict=True)))
    return [TESTS / name for name in names]


def names_of(share: planning.Share) -> str:
    return "".join(path.stem.removeprefix("test_") for path in share.paths)


def test_files_are_spread_over_as_few_processes_as_are_needed_equally_long_ones(
    files: list[Path],
) -> None:
    assert [names_of(each) for each in planning.shares("unit", files)] == ["e", "ad", "bc"]


def test_shares_of_a_suite_are_numbered_and_a_file_alone_is_named(files: list[Path]) -> None:
    assert [each.name for each in planning.shares("unit", files)] == [
        "unit/test_e.py",
        "unit 2/3",
        "unit 3/3",
    ]
    assert [each.name for each in planning.shares("unit", files[:1])] == ["unit/test_a.py"]
    assert [each.name for each in planning.shares("unit", files[:2])] == ["unit"]


def test_a_file_that_takes_longer_than_a_share_is_alone(files: list[Path]) -> None:
    planning.SECONDS["unit/test_e.py"] = 60
    assert names_of(planning.shares("unit", files)[0]) == "e"


def test_all_pythons_means_everything_on_each() -> None:
    jobs = jobs_of(Wanted(all_pythons=True), OLD, MIDDLE, NEW)
    assert jobs["unit/core/engine/record/test_journal.py"] == [
        "py311-all",
        "py312-all",
        "py313-all",
    ]
    assert jobs["scenarios/test_03_context.py"] == [
        f"{python}-{backend}"
        for python in ("py311", "py312", "py313")
        for backend in ("postgres", "sqlite")
    ]


def test_one_python_means_everything_on_that_one() -> None:
    jobs = jobs_of(Wanted(python="3.12"), OLD, MIDDLE, NEW)
    assert {name for names in jobs.values() for name in names} == {
        "py312-sqlite",
        "py312-postgres",
        "py312-all",
        "py312-all-dask",
        "py312-all-loky",
        "py312-all-stdlib",
    }


def test_a_python_that_is_not_there_is_told_so() -> None:
    with pytest.raises(TaskFailed, match=r"--python '3\.14' was not found; there is 3\.11, 3\.13"):
        plan(Wanted(python="3.14"), [OLD, NEW])


@each_row(
    "written", ["scenarios/test_01_installed.py", "python-tests/scenarios/test_01_installed.py"]
)
def test_a_file_is_found_from_the_root_and_from_the_tests(written: str) -> None:
    jobs = jobs_of(Wanted(backend="sqlite", file=written), OLD, NEW)
    assert jobs == {"scenarios/test_01_installed.py": ["py311-sqlite"]}


def test_a_file_of_another_backend_is_told_so() -> None:
    with pytest.raises(
        TaskFailed, match=r"'scenarios/test_23_databases\.py' holds no test for postgres"
    ):
        plan(Wanted(backend="postgres", file="scenarios/test_23_databases.py"), [OLD])


def test_a_file_that_is_not_there_is_told_so() -> None:
    with pytest.raises(TaskFailed, match=r"^'test_99\.py' is no file or folder in python-tests"):
        plan(Wanted(file="test_99.py"), [OLD])


def test_no_interpreter_is_told_so() -> None:
    with pytest.raises(TaskFailed, match="no working Python"):
        plan(Wanted(), [])
