"""The tooling's own decisions: when an environment is made anew, what a test run consists of."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dev import bootstrap, junit, testing
from dev.console import TaskFailed, readable_failures, run
from dev.interpreters import MINORS, Interpreter, installed
from dev.junit import Counts
from dev.testing import Wanted, plan

OLD = Interpreter((3, 11, 7), Path("python3.11"))
NEW = Interpreter((3, 13, 5), Path("python3.13"))
MIDDLE = Interpreter((3, 12, 1), Path("python3.12"))


# -- the tools' environment ----------------------------------------------------------------------


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for ``.venv`` that is not the real one."""
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("invoke\n")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / ".venv" / "made-from.json")
    monkeypatch.setattr(bootstrap, "REQUIREMENTS", (requirements,))
    python = bootstrap.program("python")
    python.parent.mkdir(parents=True)
    python.touch()
    bootstrap.STAMP.write_text(json.dumps(bootstrap.wanted()))
    return tmp_path


def test_an_environment_made_from_the_same_things_is_kept(venv: Path) -> None:
    assert bootstrap.is_current()


def test_other_requirements_make_it_anew(venv: Path) -> None:
    (venv / "requirements.txt").write_text("invoke\njinja2\n")
    assert not bootstrap.is_current()


def test_another_python_makes_it_anew(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version", "3.99")
    assert not bootstrap.is_current()


@pytest.mark.parametrize("stamp", [None, "", "[1"])
def test_an_environment_without_a_whole_stamp_is_made_anew(venv: Path, stamp: str | None) -> None:
    bootstrap.STAMP.unlink()
    if stamp is not None:
        bootstrap.STAMP.write_text(stamp)
    assert not bootstrap.is_current()


def test_a_failed_start_leaves_no_half_environment(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: object) -> None:
        raise bootstrap.SetupFailed("no network")

    monkeypatch.setattr(bootstrap, "_run", fail)
    with pytest.raises(bootstrap.SetupFailed, match="no network"):
        bootstrap.make()
    assert not bootstrap.VENV.exists()


def test_a_python_without_ensurepip_gets_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(bootstrap.SetupFailed, match=r"apt-get install python3\.\d+-venv"):
        bootstrap.make()


def test_a_python_that_is_too_old_is_told_so() -> None:
    with pytest.raises(bootstrap.SetupFailed, match=r"this is Python 3\.10"):
        bootstrap.check_python((3, 10))


# -- how tasks end --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "told", "ended_by"),
    [
        (1, "failed: no network", TaskFailed("no network")),
        (130, "interrupted", KeyboardInterrupt()),
    ],
)
def test_a_task_that_fails_ends_with_a_line_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], code: int, told: str, ended_by: BaseException
) -> None:
    with pytest.raises(SystemExit) as caught, readable_failures():
        raise ended_by
    assert caught.value.code == code
    assert capsys.readouterr().err == f"{told}\n"


def test_a_failed_program_is_named_with_its_output() -> None:
    code = "import sys; print('what it said'); sys.exit(3)"
    with pytest.raises(TaskFailed, match=r"(?s)what it said.*exit code 3 from: "):
        run([sys.executable, "-c", code], quiet=True)


# -- what a test run consists of -----------------------------------------------------------------


def pairs(wanted: Wanted, *found: Interpreter) -> set[tuple[str, str]]:
    return {(job.target.interpreter.minor, job.name) for job in plan(wanted, found)}


def test_suites_run_on_the_least_python_and_scenarios_on_the_newest_too() -> None:
    jobs = pairs(Wanted(), OLD, MIDDLE, NEW)
    assert {minor for minor, name in jobs if name == "unit"} == {"3.11"}
    assert {minor for minor, name in jobs if name == "test_01_installed.py"} == {"3.11", "3.13"}


def test_with_one_python_nothing_runs_twice() -> None:
    jobs = plan(Wanted(), [OLD])
    assert len(jobs) == len({job.path for job in jobs})


def test_all_pythons_means_everything_on_each() -> None:
    jobs = pairs(Wanted(all_pythons=True), OLD, MIDDLE, NEW)
    assert {minor for minor, name in jobs if name == "unit"} == {"3.11", "3.12", "3.13"}


@pytest.mark.parametrize("written", ["test_01_installed.py", "python-tests/test_01_installed.py"])
def test_a_file_is_found_from_the_root_and_from_the_tests(written: str) -> None:
    assert pairs(Wanted(file=written), OLD, NEW) == {("3.11", "test_01_installed.py")}


def test_a_file_that_is_not_there_is_told_so() -> None:
    with pytest.raises(TaskFailed, match=r"'test_99\.py' is no file or folder in python-tests"):
        plan(Wanted(file="test_99.py"), [OLD])


def test_a_backend_that_cannot_work_yet_is_no_silent_success() -> None:
    with pytest.raises(TaskFailed, match="nothing to test on postgres"):
        plan(Wanted(backend="postgres"), [OLD])


def test_no_interpreter_is_told_so() -> None:
    with pytest.raises(TaskFailed, match="no working Python"):
        plan(Wanted(), [])


def test_the_interpreters_found_work_and_come_in_order() -> None:
    found = installed()
    assert [each.minor for each in found] == sorted(
        {each.minor for each in found}, key=MINORS.index
    )


# -- what is counted -----------------------------------------------------------------------------

REPORT = """<testsuites><testsuite name="pytest" tests="9" failures="2" errors="1" skipped="1">
</testsuite></testsuites>"""


def test_errors_count_as_failed(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    path.write_text(REPORT)
    assert junit.read(path) == Counts(passed=5, failed=3, skipped=1)
    assert str(Counts(5, 3, 1)) == "5 passed, 3 failed, 1 skipped"
    assert str(Counts(5)) == "5 passed, 0 failed"


def test_a_run_that_wrote_no_report_has_no_counts(tmp_path: Path) -> None:
    assert junit.read(tmp_path / "none.xml") is None


def test_merged_reports_keep_the_names_of_their_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(REPORT)
    target = tmp_path / "reports" / "junit.xml"
    junit.merge([("py311 a", tmp_path / "a"), ("py313 b", tmp_path / "b")], target)
    assert 'name="py311 a"' in target.read_text()
    assert junit.read(target) == Counts(passed=10, failed=6, skipped=2)


def test_the_table_has_a_row_per_process() -> None:
    job = plan(Wanted(file="test_01_installed.py"), [OLD])[0]
    outcome = testing.Outcome(job, Counts(3), 1.25, Path("report"), "", "")
    head, row = testing.table([outcome]).splitlines()
    assert head.split() == ["environment", "tests", "passed", "failed", "skipped", "seconds"]
    assert row.split() == ["py311-sqlite", "test_01_installed.py", "3", "0", "0", "1.2"]
