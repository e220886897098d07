"""The programs in the READMEs run as they stand and print what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT, SERVER, Block, blocks_of, promised, readmes
from own_database import one_at_a_time

PROGRAMS = [
    block
    for readme in readmes()
    for block in blocks_of(readme)
    if block.runs and block.language == "python"
]


def where(block: Block) -> str:
    return block.where


@pytest.mark.parametrize("program", [b for b in PROGRAMS if SERVER not in b.code], ids=where)
@pytest.mark.backend("sqlite", reason="these programs keep what they do in a file")
def test_a_program_of_a_readme_prints_what_it_says(tmp_path: Path, program: Block) -> None:
    run_twice(program, program.code, tmp_path)


@pytest.mark.parametrize("program", [b for b in PROGRAMS if SERVER in b.code], ids=where)
@pytest.mark.backend("postgres", reason="these programs need a server")
def test_a_program_of_a_readme_that_needs_a_server_does_too(
    tmp_path: Path, program: Block, database_url: str
) -> None:
    with one_at_a_time(database_url, program.page.relative_to(ROOT).as_posix()):
        run_twice(program, program.code.replace(SERVER, database_url), tmp_path)


def run_twice(program: Block, code: str, folder: Path) -> None:
    for _ in range(2):  # the second time its database is there already
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.stdout.splitlines(), done.stderr) == (promised([program]), "")


@pytest.mark.backend("sqlite", reason="a file is looked for")
def test_the_first_program_leaves_its_database_where_it_says(tmp_path: Path) -> None:
    first = next(block for block in PROGRAMS if block.page == ROOT / "README.md")
    subprocess.run([sys.executable, "-c", first.code], cwd=tmp_path, check=True, timeout=120)

    assert [path.name for path in tmp_path.iterdir()] == ["orders.db"]
