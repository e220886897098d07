"""The programs in the README run as they stand and print what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from own_database import one_at_a_time

README = Path(__file__).resolve().parent.parent / "README.md"
PROGRAMS = re.findall(r"(?ms)^```python\n(.*?)^```$", README.read_text("utf-8"))

SERVER = "postgresql://app:secret@db.example/work"
"""What stands for the reader's own server."""


def promised(program: str) -> list[str]:
    """The lines behind the lines that print: ``print(…)  # one line`` or ``# one / another``."""
    comments = re.findall(r"(?m)^ *print\(.*\)  # (.*)$", program)
    return [line for comment in comments for line in comment.split(" / ")]


@pytest.mark.parametrize("program", [each for each in PROGRAMS if SERVER not in each])
@pytest.mark.backend("sqlite", reason="these programs keep what they do in a file")
def test_a_program_of_the_readme_prints_what_it_says(tmp_path: Path, program: str) -> None:
    run_twice(program, tmp_path)


@pytest.mark.parametrize("program", [each for each in PROGRAMS if SERVER in each])
@pytest.mark.backend("postgres", reason="these programs need a server")
def test_a_program_of_the_readme_that_needs_a_server_does_too(
    tmp_path: Path, program: str, database_url: str
) -> None:
    with one_at_a_time(database_url):
        run_twice(program.replace(SERVER, database_url), tmp_path)


def run_twice(program: str, folder: Path) -> None:
    for _ in range(2):  # the second time its database is there already
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (done.stdout.splitlines(), done.stderr) == (promised(program), "")


@pytest.mark.backend("sqlite", reason="a file is looked for")
def test_the_first_program_leaves_its_database_where_it_says(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", PROGRAMS[0]], cwd=tmp_path, check=True, timeout=50)

    assert [path.name for path in tmp_path.iterdir()] == ["orders.db"]
