"""The programs of several files in ``examples/`` run from the wheels, on both backends.

Those of one file are scenario 25, which needs nothing but cloaca.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from own_database import one_at_a_time
from tables import each_row

from dev.environments.sandbox import Sandbox
from dev.project import ALL, SQLITE
from examples.from_wheels import programs
from examples.from_wheels.programs import FOLDER, PROGRAMS, Example

SERVICE = """\
accepted: 202 twice the same run: True
killed while the label is printed
status: Completed
label: A-17 to Oslo, 500 g
steps: weigh Completed, label Completed, hand_over Completed
unknown run: 404
runs in all: 1
"""
# 4.50 and 19.80 are 24.30; the third sale is 1.20 for each letter of a name of 9 or 11.
NIGHTLY = """\
shop_lima: 3 sales, 35.10
shop_oslo: 3 sales, 35.10
shop_sydney: 3 sales, 37.50
"""
PRINTS = {"service.visit": SERVICE, "nightly": NIGHTLY}

Run = Callable[[Example, str | None], str]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheels and what the examples want."""
    folder = tmp_path_factory.mktemp("examples")
    narrowed = os.environ.get("CLOACA_TEST_BACKEND") == SQLITE.backend
    sandbox = Sandbox(folder / "environment")
    return programs.install(sandbox, SQLITE.backend if narrowed else ALL)


@pytest.fixture
def run(python: Path, tmp_path: Path) -> Run:
    """Runs a program on the database of this URL, or on a file; what it printed."""

    def run_one(example: Example, url: str | None) -> str:
        done = programs.run(example, python, tmp_path / "work", url)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run_one


def program(name: str) -> Example:
    """The one whose command has this word."""
    return next(each for each in PROGRAMS if name in each.command)


@pytest.mark.parametrize("name", sorted(PRINTS))
def test_a_program_ends_as_it_must_on_a_file(run: Run, name: str) -> None:
    assert run(program(name), None) == PRINTS[name]


@pytest.mark.parametrize("name", sorted(PRINTS))
def test_a_program_ends_as_it_must_on_a_server(run: Run, postgres_database: str, name: str) -> None:
    with one_at_a_time(postgres_database, name):
        assert run(program(name), postgres_database) == PRINTS[name]


def test_the_report_on_cars_is_the_same_on_a_file_and_on_a_server(
    python: Path, tmp_path: Path, postgres_url: str
) -> None:
    reports = []
    for name, url in {"file": None, "server": postgres_url}.items():
        done = programs.run(program("cars"), python, tmp_path / name, url)
        assert done.returncode == 0
        reports.append((tmp_path / name / "report.md").read_text(encoding="utf-8"))
    assert reports[0] == reports[1]
    assert (tmp_path / "file" / "cars.db").exists()
    assert not (tmp_path / "server" / "cars.db").exists()


@each_row(
    ("expected", "source"),
    [
        # It names its file, or keeps everything in memory.
        (("sqlite",), 'cloaca.DefaultRunner(":memory:")'),
        (("sqlite", "postgres"), 'os.environ.get("DATABASE_URL", ":memory:")'),
        # An administrator's work is about schemas and roles.
        (("postgres",), 'os.environ["ADMIN_DATABASE_URL"]'),
    ],
)
def test_the_variable_that_a_program_reads_says_where_it_runs(
    expected: tuple[str, ...], source: str
) -> None:
    assert programs.backends_of(source) == expected


def test_every_program_is_run_and_named_in_the_readme() -> None:
    folders = sorted(path.parent.name for path in FOLDER.glob("*/__main__.py"))
    text = (FOLDER / "README.md").read_text(encoding="utf-8")

    run = [word.partition(".")[0] for each in PROGRAMS for word in each.command if word in MODULES]
    assert sorted(run) == folders
    assert [name for name in folders if f"[{name}/]({name}/README.md)" not in text] == []


MODULES = ("cars", *PRINTS)


def test_what_a_program_wants_is_installed_for_the_type_checker_too() -> None:
    tools = (FOLDER.parent / "dev" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = programs.REQUIREMENTS.read_text(encoding="utf-8").splitlines()

    assert [line for line in wanted if not line.startswith("#") and line not in tools] == []
