"""The demo: its figures agree with another computation, and a killed run goes on where it was.

The other computation is SQL over the same file: it shares no code with the program.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from dev.console import TaskFailed, environment
from dev.environments.sandbox import Sandbox
from dev.project import ROOT
from examples.from_wheels import demo, demo_notes, demo_page

USED = """
    SELECT *, CAST(substr("Year", 1, 4) AS INTEGER) AS built FROM cars
    WHERE "Miles_per_Gallon" IS NOT NULL AND "Horsepower" IS NOT NULL
    GROUP BY "Name", "Year" HAVING rowid = min(rowid)
"""
BY_YEAR = f"""
    SELECT built, count(*), avg("Miles_per_Gallon"),
        avg(CASE "Origin" WHEN 'USA' THEN "Miles_per_Gallon" END),
        avg(CASE "Origin" WHEN 'Europe' THEN "Miles_per_Gallon" END),
        avg(CASE "Origin" WHEN 'Japan' THEN "Miles_per_Gallon" END),
        avg("Weight_in_lbs")
    FROM ({USED}) GROUP BY built ORDER BY built
"""
COUNT_USED = f"SELECT count(*) FROM ({USED})"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheels, the data and what the page needs."""
    folder = tmp_path_factory.mktemp("demo") / "environment"
    return demo.install(Sandbox(folder), demo_page.NEEDED)


@pytest.fixture
def cars(python: Path) -> Iterator[sqlite3.Connection]:
    """The data set as one table."""
    (path,) = python.parent.parent.rglob("vega_datasets/_data/cars.json")
    records = json.loads(path.read_text(encoding="utf-8"))
    database = sqlite3.connect(":memory:")
    columns = ", ".join(f'"{name}"' for name in records[0])
    database.execute(f"CREATE TABLE cars ({columns})")
    marks = ", ".join("?" * len(records[0]))
    database.executemany(
        f"INSERT INTO cars VALUES ({marks})",
        [tuple(record.values()) for record in records],
    )
    yield database
    database.close()


def folder_in(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def rows(report: str) -> list[list[str]]:
    """The cells of every table line whose first cell is a number."""
    lines = [line for line in report.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0].isdigit()]


def test_the_reports_figures_are_those_of_another_computation(
    python: Path, cars: sqlite3.Connection, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = folder_in(tmp_path)
    demo.undisturbed(python, folder)

    report = (folder / "report.md").read_text(encoding="utf-8")
    years = [row for row in rows(report) if int(row[0]) >= 1970]
    found = [[float(cell) for cell in row[:7]] for row in years]
    expected = cars.execute(BY_YEAR).fetchall()
    assert [row[:2] for row in found] == [list(row[:2]) for row in expected]
    for row, wanted in zip(found, expected, strict=True):
        # Shown to one decimal: at most half of one off, and a hair for how halves are rounded.
        assert row[2:] == pytest.approx(wanted[2:], abs=0.0501)
    (used,) = cars.execute(COUNT_USED).fetchone()
    assert f"406 records, {used} of them used." in report
    assert sum(int(row[0]) for row in rows(report) if int(row[0]) < 1970) == 406 - used
    assert report.rstrip() in capfd.readouterr().out


def test_each_reason_is_counted_as_often_as_it_is_in_the_file(
    python: Path, cars: sqlite3.Connection, tmp_path: Path
) -> None:
    folder = folder_in(tmp_path)
    demo.undisturbed(python, folder)

    reasons = {row[1]: int(row[0]) for row in rows((folder / "report.md").read_text("utf-8"))}
    for field in ("Miles_per_Gallon", "Horsepower"):
        query = f'SELECT count(*) FROM cars WHERE "{field}" IS NULL'
        assert reasons[f"no value for {field}"] == cars.execute(query).fetchone()[0]


def test_a_killed_run_goes_on_where_it_was_and_a_failed_step_is_run_again(
    python: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = folder_in(tmp_path)
    demo.killed_and_resumed(python, folder)

    notes = demo_notes.read_notes(folder / "notes.txt")
    printed = capfd.readouterr().out
    first, second, third = notes.processes
    ended = [(process, step) for process, what, step in notes.lines if what == "ends"]
    assert {step for process, step in ended if process == first} >= {"extract", "validate"}
    assert len({step for _, step in ended}) == 17
    assert not {"extract", "validate"} & notes.begun_in(1)
    assert notes.begun_in(1) >= {"compare", "report"}
    assert [process for process, step in ended if step == "report"] == [third]
    assert notes.begun_in(2) == {"report"}
    assert "the retry runs report again, as it failed" in printed
    assert "steps that were on disk ran again" in printed
    assert "byte for byte" in printed
    assert f"process 2 ({second})" in printed


def test_where_dask_is_missing_the_program_says_which_extra_brings_it(
    python: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        demo._command(python, "run", folder_in(tmp_path)),
        cwd=demo.PROGRAM,
        env=environment({"CARS_ON": "dask"}),
        capture_output=True,
        text=True,
        check=False,
    )

    missing = "CARS_ON=dask needs Dask, which cloaca's extra dask brings"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{missing}: No module named 'distributed'\n"


def test_a_demo_on_dask_is_not_killed_as_well() -> None:
    with pytest.raises(TaskFailed, match="leave out --crash or --dask"):
        demo.demo(crash=True, dask=True)


WITH_ITS_PAGE = """
import sys
from pathlib import Path
from examples.from_wheels import demo, demo_page
with demo_page.page(Path(sys.argv[1]), Path(sys.argv[2], "cars.db")):
    demo.undisturbed(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal for one process alone")
def test_its_page_shows_the_run_and_stays_until_ctrl_c(python: Path, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-c", WITH_ITS_PAGE, str(python), str(folder_in(tmp_path))],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as task:
        assert task.stdout is not None
        address = next(line.strip() for line in task.stdout if line.startswith("    http"))
        browser = build_opener(HTTPCookieProcessor())
        with suppress(HTTPError):
            browser.open(address)  # its cookie counts, whatever page comes first
        assert any("until Ctrl-C" in line for line in task.stdout)
        with browser.open(f"{address.partition('?')[0]}runs") as answer:
            page = answer.read().decode()
        task.send_signal(signal.SIGINT)
        _, errors = task.communicate()

    assert "cars" in page
    assert "Completed" in page
    assert (task.returncode, errors) == (0, "")


HIDE_CURSOR, SHOW_CURSOR, CTRL_C = b"\x1b[?25l", b"\x1b[?25h", b"\x03"
AT_ITS_TERMINAL = """
import fcntl, sys, termios
from pathlib import Path
from examples.from_wheels import demo
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
demo.killed_and_resumed(Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no terminals to be had for a test")
def test_an_interrupted_demo_puts_the_cursor_back_and_promises_nothing(
    python: Path, tmp_path: Path
) -> None:
    """At a terminal of its own, where Ctrl-C goes to the processes in the foreground."""
    keyboard, terminal = os.openpty()
    task = subprocess.Popen(
        [sys.executable, "-c", AT_ITS_TERMINAL, str(python), str(folder_in(tmp_path))],
        cwd=ROOT,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    while HIDE_CURSOR not in shown:
        shown += os.read(keyboard, 65536)
    os.write(keyboard, CTRL_C)
    shown += _rest_of(keyboard)
    task.wait()
    os.close(keyboard)
    assert shown.rindex(SHOW_CURSOR) > shown.rindex(HIDE_CURSOR)
    assert b"goes on where it stopped" not in shown


def _rest_of(keyboard: int) -> bytes:
    """The rest of the output, until no process has the terminal open any more."""
    shown = b""
    try:
        while chunk := os.read(keyboard, 65536):
            shown += chunk
    except OSError:  # how Linux tells of that
        pass
    return shown


def test_a_reader_that_had_enough_sees_no_traceback(python: Path, tmp_path: Path) -> None:
    """As in ``demo | head``."""
    with subprocess.Popen(
        demo._command(python, "run", folder_in(tmp_path)),
        cwd=demo.PROGRAM,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 1


def test_steps_are_told_apart_by_the_process_that_they_began_in(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    first = "7 begins a\n7 ends a\n7 begins year_1\n"
    second = "9 begins year_1\n9 ends year_1\n9 begins b\n9 begins b\n"
    path.write_text(f"{first}{second}11 begins b\n11 ends b\n11 be")

    notes = demo_notes.read_notes(path)

    assert (notes.begun_in(0), notes.begun_in(1)) == ({"a", "year_1"}, {"year_1", "b"})
    assert notes.branches_ended() == 1
    assert notes.begun_in(2) == {"b"}
    on_disk = {"a": "Completed", "year_1": "Running", "b": "NotStarted"}
    assert notes.table(on_disk).splitlines() == [
        "                process 1 (7)  process 2 (9)  process 3 (11)",
        "    a           ran",
        "    year_1      cut off        ran",
        "    b                          failed         ran",
    ]
