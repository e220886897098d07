"""The tooling's own decisions: when an environment is made anew, what a test run consists of."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from configparser import ConfigParser
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from dev import process_groups
from dev.console import TaskFailed, environment, readable_failures, run, say
from dev.environments import bootstrap, installer
from dev.environments.interpreters import MINORS, Interpreter, installed
from dev.project import ROOT, TESTS
from dev.testing import jobs as planning, junit, results, session, unit as straight
from dev.testing.jobs import SECONDS, Wanted, plan
from dev.testing.junit import Counts

OLD = Interpreter((3, 11, 7), Path("python3.11"))
NEW = Interpreter((3, 13, 5), Path("python3.13"))
MIDDLE = Interpreter((3, 12, 1), Path("python3.12"))


# -- the tools' environment ----------------------------------------------------------------------


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for ``.venv`` that is not the real one; its Python says that it is a 3.12."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / ".venv" / "made-from.json")
    monkeypatch.setattr(bootstrap, "LOCKED", tmp_path / "lock.txt")
    monkeypatch.setattr(bootstrap, "QUICK", tmp_path / "quick.txt")
    bootstrap.LOCKED.write_text("invoke==3.0\n")
    bootstrap.QUICK.write_text("uv==0.1\n")
    bootstrap.program("python").parent.mkdir(parents=True)
    for name in ("python", "invoke"):
        put_program(bootstrap.program(name), "echo 3 12")
    bootstrap.STAMP.write_text(json.dumps(bootstrap.made_from((3, 12))))
    return tmp_path


def put_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def test_an_environment_made_from_the_same_things_is_kept(venv: Path) -> None:
    assert bootstrap.is_current()


@pytest.mark.parametrize("name", ["lock.txt", "quick.txt"])
def test_other_requirements_make_it_anew(venv: Path, name: str) -> None:
    (venv / name).write_text("invoke==3.0\njinja2==3.1\n")
    assert not bootstrap.is_current()


def test_which_python_starts_it_does_not_count(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 99, 1))
    monkeypatch.setattr("sys.version", "3.99.1")
    monkeypatch.setattr("sys._base_executable", "/usr/bin/python3.99")
    assert bootstrap.is_current()


@pytest.mark.parametrize(
    "line",
    [
        "echo 3 13",  # another version came in its place, which does not see the packages
        "exit 1",  # it no longer starts
        "echo",
    ],
)
def test_an_environment_whose_own_python_is_another_or_broken_is_made_anew(
    venv: Path, line: str
) -> None:
    put_program(bootstrap.program("python"), line)
    assert not bootstrap.is_current()


def test_an_environment_whose_python_is_gone_is_made_anew(venv: Path) -> None:
    python = bootstrap.program("python")
    python.unlink()
    python.symlink_to(venv / "uninstalled")
    assert not bootstrap.is_current()


def test_an_environment_whose_python_is_too_old_by_now_is_made_anew(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "LEAST", (3, 13))
    assert not bootstrap.is_current()


@pytest.mark.parametrize("name", ["python", "invoke"])
def test_an_environment_that_lost_a_program_is_made_anew(venv: Path, name: str) -> None:
    bootstrap.program(name).unlink()
    assert not bootstrap.is_current()


def test_an_environment_that_somebody_else_made_is_put_aside_and_told_of(
    venv: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "BACKUPS", venv / "backups")
    monkeypatch.setattr(bootstrap, "_run", lambda command: None)
    monkeypatch.setattr(installer, "install", lambda *words, pip_of: None)
    bootstrap.STAMP.unlink()
    (bootstrap.VENV / "theirs").touch()

    bootstrap.make()

    (kept,) = (venv / "backups").glob("venv-*/.venv/theirs")
    assert f"moving it to {kept.parent}" in capsys.readouterr().out
    assert [each.name for each in bootstrap.VENV.iterdir()] == ["made-from.json"]


def test_an_environment_that_was_killed_half_made_is_ours(
    venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(bootstrap, "_run", lambda command: seen.append(bootstrap.STAMP.read_text()))
    monkeypatch.setattr(installer, "install", lambda *words, pip_of: None)
    bootstrap.make()
    assert set(seen) == {""}
    here = sys.version_info[:2]
    assert json.loads(bootstrap.STAMP.read_text()) == bootstrap.made_from(here)


@pytest.fixture
def asked(venv: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ``make`` has done: programs that it runs, and with which installer the lock came."""
    done: list[str] = []
    monkeypatch.delenv("CLOACA_INSTALLER", raising=False)
    monkeypatch.setattr(bootstrap, "_run", lambda command: done.append(" ".join(command)))
    return done


def test_uv_stays_only_where_it_did_its_work(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every later task asks for it because it is there."""

    def pip_did(*words: object, pip_of: Path) -> None:
        monkeypatch.setenv("CLOACA_INSTALLER", "pip")

    monkeypatch.setattr(installer, "install", pip_did)
    bootstrap.make()
    assert asked[-1].endswith("uninstall --quiet --yes uv")


def test_where_uv_cannot_be_had_pip_does_the_rest(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_uv(command: Sequence[str]) -> None:
        if str(bootstrap.QUICK) in command:
            raise bootstrap.SetupFailed("no such package: uv")

    monkeypatch.setattr(bootstrap, "_run", no_uv)
    monkeypatch.setattr(installer, "install", lambda *words, pip_of: asked.append("lock"))
    bootstrap.make()
    assert asked == ["lock"]
    assert "no such package: uv\n    uv cannot be had; pip does it" in capsys.readouterr().out


def test_who_wants_pip_alone_gets_no_uv(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACA_INSTALLER", "pip")
    monkeypatch.setattr(installer, "install", lambda *words, pip_of: None)
    bootstrap.make()
    assert not [command for command in asked if str(bootstrap.QUICK) in command]


def test_what_lies_in_the_folder_of_the_start_is_none_of_the_tools(
    tmp_path: Path, venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be an ``invoke.py``, or a folder with the name of something that it imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(bootstrap, "program", lambda name: Path(sys.executable))
    monkeypatch.setattr(bootstrap, "is_current", lambda: True)
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(bootstrap, "_replace_process", _where_it_looks)
    assert bootstrap.hand_over(["generate", "--check"]) == 0


def _where_it_looks(command: Sequence[str]) -> int:
    """0 when a program started like this one does not look in the folder that it is in."""
    options = command[: command.index("-m")]
    look = "import os, sys; sys.exit(bool({'', os.getcwd()} & {*sys.path}))"
    return subprocess.run([*options, "-c", look], check=False).returncode


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


def test_a_place_where_nothing_can_be_written_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "LOCK", tmp_path)  # a folder, which even root cannot write to
    assert bootstrap.hand_over([]) == 1
    assert capsys.readouterr().err == f"failed: [Errno 21] Is a directory: '{tmp_path}'\n"


def test_a_python_that_is_too_old_is_told_so() -> None:
    with pytest.raises(bootstrap.SetupFailed, match=r"this is Python 3\.10"):
        bootstrap.check_python((3, 10))


# -- how tasks end --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "told", "ended_by"),
    [
        (1, "failed: no network", TaskFailed("no network")),
        (1, "failed: [Errno 28] No space left: 'dist'", OSError(28, "No space left", "dist")),
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


@pytest.fixture
def handlers() -> Iterator[None]:
    """What signals do is as before afterwards."""
    kept = {each: signal.getsignal(each) for each in (signal.SIGHUP, signal.SIGTERM)}
    yield
    for each, handler in kept.items():
        signal.signal(each, handler)


@contextmanager
def _told_again_while_tidying_up() -> Iterator[None]:
    """As the shell does, which passes on what the system sent as well."""
    try:
        yield
    finally:
        signal.raise_signal(signal.SIGHUP)


@pytest.mark.usefixtures("handlers")
def test_a_terminal_that_is_closed_interrupts_once() -> None:
    with pytest.raises(SystemExit) as caught, readable_failures(), _told_again_while_tidying_up():
        signal.raise_signal(signal.SIGHUP)
    assert caught.value.code == 130
    assert isinstance(caught.value.__context__, KeyboardInterrupt)
    assert caught.value.__context__.__context__ is None  # nothing came in between


@pytest.mark.usefixtures("handlers")
def test_what_nohup_started_goes_on_without_its_terminal() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with readable_failures():
        signal.raise_signal(signal.SIGHUP)


def test_a_reader_that_had_enough_sees_no_traceback() -> None:
    """As in ``demo | head``."""
    code = (
        "from dev.console import readable_failures, say\n"
        "with readable_failures():\n    input()\n    say('one more line')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as task:
        assert task.stdin is not None
        assert task.stdout is not None
        assert task.stderr is not None
        task.stdout.close()
        task.stdin.write(b"\n")
        task.stdin.close()
        assert task.stderr.read() == b""
    assert task.returncode == 1


@pytest.mark.parametrize(
    "name",
    [
        "PYTHONPATH",  # sources instead of wheels
        "CLOACA_BACKEND",
        "PYTHONDONTWRITEBYTECODE",  # each process would compile the tests anew
    ],
)
def test_what_the_persons_shell_says_of_it_is_kept_from_programs(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "theirs")
    assert name not in environment()
    assert environment({name: "ours"})[name] == "ours"


def test_a_failed_program_is_named_with_its_output() -> None:
    code = "import sys; print('what it said'); sys.exit(3)"
    with pytest.raises(TaskFailed, match=r"(?s)what it said.*exit code 3 from: "):
        run([sys.executable, "-c", code], quiet=True)


# -- what a test run consists of -----------------------------------------------------------------


def jobs_of(wanted: Wanted, *found: Interpreter) -> dict[str, list[str]]:
    """The environments that each test file runs in."""
    jobs: dict[str, list[str]] = {}
    for job in plan(wanted, found):
        for path in job.share.paths:
            jobs.setdefault(path.relative_to(TESTS).as_posix(), []).append(job.target.name)
    return {name: sorted(targets) for name, targets in jobs.items()}


@pytest.mark.parametrize(
    ("expected", "name"),
    [
        # What a user sees: on both backends; on the newest Python once more where files are enough.
        (["py311-postgres", "py311-sqlite", "py313-sqlite"], "scenarios/test_03_context.py"),
        (["py311-postgres", "py311-sqlite"], "process/test_kill.py"),
        (["py311-postgres", "py311-sqlite"], "model/test_store_against_model.py"),
        (["py311-postgres", "py311-sqlite"], "pages/test_pages.py"),
        # These need all backends, or none, and say nothing new when they run twice.
        (["py311-all"], "conformance/test_sqlite.py"),
        (["py311-all"], "unit/core/engine/record/test_journal.py"),
        (["py311-all"], "unit/postgres/test_pool.py"),
        (["py311-all"], "dispatcher/test_dispatcher.py"),
        (["py311-all"], "packaging/test_wheels.py"),
        # A file that is about one backend alone.
        (["py311-sqlite", "py313-sqlite"], "scenarios/test_23_databases.py"),
        (["py311-postgres"], "scenarios/test_31_postgres_databases.py"),
        (["py311-postgres"], "process/test_postgres_faults.py"),
    ],
)
def test_what_runs_where(expected: list[str], name: str) -> None:
    assert jobs_of(Wanted(), OLD, MIDDLE, NEW)[name] == expected


def test_every_test_file_runs() -> None:
    files = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    assert set(jobs_of(Wanted(), OLD)) == files


@pytest.mark.parametrize("minor", ["3.11", "3.13"])
def test_the_hosted_matrix_runs_all_of_it_on_each_python(minor: str) -> None:
    hosted = [
        jobs_of(Wanted(backend=each, python=minor), OLD, NEW) for each in ("sqlite", "postgres")
    ]
    assert set().union(*hosted) == set(jobs_of(Wanted(), OLD))


def test_what_runs_with_all_backends_is_on_none_of_them() -> None:
    jobs = plan(Wanted(file="unit"), [OLD])
    assert {job.backend for job in jobs} == {None}


def test_a_backend_narrows_to_what_is_about_it() -> None:
    jobs = plan(Wanted(backend="postgres"), [OLD])
    assert {job.backend for job in jobs} == {"postgres"}
    assert {job.target.backend for job in jobs} == {"postgres", "all"}


def test_a_folder_named_after_the_other_backend_is_left_out() -> None:
    names = jobs_of(Wanted(backend="postgres", file="unit"), OLD)
    assert "unit/postgres/test_pool.py" in names
    assert [name for name in names if name.startswith("unit/sqlite/")] == []


def test_sqlite_alone_needs_nothing_of_the_others() -> None:
    jobs = plan(Wanted(backend="sqlite"), [OLD])
    assert {job.backend for job in jobs} == {"sqlite"}
    assert {job.target.backend for job in jobs} == {"sqlite"}


def test_with_one_python_nothing_runs_twice() -> None:
    files = [(path, job.backend) for job in plan(Wanted(), [OLD]) for path in job.share.paths]
    assert len(files) == len(set(files))


def test_the_longest_job_comes_first() -> None:
    seconds = [job.share.seconds for job in plan(Wanted(), [OLD, NEW])]
    assert seconds == sorted(seconds, reverse=True)


def test_every_file_that_is_said_to_take_long_is_there() -> None:
    assert [name for name in SECONDS if not (TESTS / name).exists()] == []


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
    }


def test_a_python_that_is_not_there_is_told_so() -> None:
    with pytest.raises(TaskFailed, match=r"--python '3\.14' was not found; there is 3\.11, 3\.13"):
        plan(Wanted(python="3.14"), [OLD, NEW])


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
    ("expected", "backend"),
    [
        # Both backends can be imported, and nothing that is installed comes before the sources.
        ("SqliteBackend None", None),
        ("SqliteBackend postgres", "postgres"),
    ],
)
def test_one_file_runs_from_the_sources(
    monkeypatch: pytest.MonkeyPatch, expected: str, backend: str | None
) -> None:
    monkeypatch.setenv("CLOACA_TEST_BACKEND", "theirs")
    code = (
        "import os, cloaca_core, cloaca_postgres, cloaca_sqlite\n"
        f"assert cloaca_core.__file__.startswith({str(ROOT)!r})\n"
        "print(type(cloaca_sqlite.BACKEND).__name__, os.environ.get('CLOACA_TEST_BACKEND'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=straight.variables(backend),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


def test_one_file_is_found_as_by_the_whole_run() -> None:
    command = straight.command("unit/core/engine/record/test_journal.py", "retry")
    path = TESTS / "unit/core/engine/record/test_journal.py"
    assert command[-3:] == [str(path), "-k", "retry"]


def test_no_interpreter_is_told_so() -> None:
    with pytest.raises(TaskFailed, match="no working Python"):
        plan(Wanted(), [])


def test_the_interpreters_found_work_and_come_in_order() -> None:
    found = installed()
    assert [each.minor for each in found] == sorted(
        {each.minor for each in found}, key=MINORS.index
    )


def test_tox_installs_as_everything_else_does_and_downloads_no_interpreter() -> None:
    """A plug-in that gives all of it to uv would fail where only pip can, and fetch a Python."""
    settings = ConfigParser(interpolation=None)
    settings.read(ROOT / "tox.ini", encoding="utf-8")
    assert settings["testenv"]["install_command"].startswith(
        "python -m dev.environments.installer "
    )
    assert settings["tox"]["requires"].split() == ["tox>=4.30"]


def test_a_server_is_looked_for_only_when_a_test_needs_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dev.databases.sources.server", lambda: nullcontext("postgresql://u:p@h/d"))
    (sqlite,) = plan(Wanted(backend="sqlite", file="model"), [OLD])
    postgres = replace(sqlite, target=replace(sqlite.target, backend="postgres"))

    with session._server_for([sqlite]) as settings:
        assert settings == {}
    with session._server_for([sqlite, postgres]) as settings:
        assert settings == {"CLOACA_TEST_POSTGRES_URL": "postgresql://u:p@h/d"}


# -- how jobs end ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "code", "counts"),
    [
        ("hung for 900 s and was killed in a.py::test_b", None, None),
        ("hung for 900 s and was killed in a.py::test_b", None, Counts(3)),
        ("pytest died with exit code 1 in a.py::test_b", 1, None),
        ("pytest ended with exit code 3", 3, Counts(3)),
        ("", 1, Counts(3, 1)),  # its failures speak for themselves
        ("", 0, Counts(3)),
    ],
)
def test_a_job_that_did_not_end_by_itself_names_the_test_that_was_running(
    expected: str, code: int | None, counts: Counts | None
) -> None:
    assert session._problem(code, counts, filtered=False, test="a.py::test_b") == expected


def test_each_job_is_told_of_when_it_ends_and_listed_where_it_was_planned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first, second = plan(Wanted(backend="sqlite", file="scenarios/test_01_installed.py"), [OLD]) * 2
    second = replace(second, share=replace(second.share, name="second"))
    second_was_told = threading.Event()

    def run_job(job: planning.Job, *_: object) -> results.Outcome:
        if job is first:
            assert second_was_told.wait(10)
        return results.Outcome(job, Counts(1), 1.0, tmp_path, "", "")

    def shown(outcome: results.Outcome) -> None:
        if outcome.job is second:
            second_was_told.set()
        say(outcome.job.name)

    monkeypatch.setattr(session, "_run_job", run_job)
    monkeypatch.setattr(results, "shown", shown)
    python = {first.target: Path("python")}

    outcomes = session._run_all([first, second], python, tmp_path, {}, None)

    assert [each.job for each in outcomes] == [first, second]
    assert capsys.readouterr().out.splitlines()[1:] == ["second", "scenarios/test_01_installed.py"]


@pytest.mark.parametrize(
    ("problem", "code", "filtered"),
    [
        ("holds no test", 5, False),  # as a file does whose tests were renamed
        ("", 5, True),  # none of this file matches -k
        ("", 0, False),
        ("pytest ended with exit code 3", 3, False),
    ],
)
def test_a_process_that_ran_no_test_is_a_problem_unless_some_were_chosen(
    problem: str, code: int, filtered: bool
) -> None:
    assert session._problem(code, Counts(), filtered=filtered) == problem


def test_what_a_test_started_and_forgot_ends_with_its_process() -> None:
    forget = "import subprocess; subprocess.Popen(['cat'])"
    with subprocess.Popen(
        [sys.executable, "-c", forget],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process_groups.wait(process, 60) == 0

        ended, _, _ = select.select([process.stdout], [], [], 10)  # when nobody holds it open

        assert ended


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
    job = plan(Wanted(backend="sqlite", file="scenarios/test_01_installed.py"), [OLD])[0]
    outcome = results.Outcome(job, Counts(3), 1.25, Path("report"), "", "")
    head, row = results.table([outcome]).splitlines()
    assert head.split() == ["environment", "tests", "passed", "failed", "skipped", "seconds"]
    assert row.split() == ["py311-sqlite", "scenarios/test_01_installed.py", "3", "0", "0", "1.2"]
