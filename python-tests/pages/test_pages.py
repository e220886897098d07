"""The code in the documentation runs as it stands and prints what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from documents import NOT_RUN, PRINTS, ROOT, SERVER, Block, blocks_of, pages, promised, readmes
from own_database import one_at_a_time

BLOCKS = {page: blocks_of(page) for page in pages()}
PROGRAMS = {
    page.relative_to(ROOT).as_posix(): blocks
    for page, blocks in BLOCKS.items()
    if any(block.runs and not block.saved_as for block in blocks)
}
ALL = [block for page in [*pages(), *readmes()] for block in blocks_of(page)]

# Runs, saves or starts the blocks of a page, in one namespace. Line numbers are those of the page.
TELL = """
import json, pathlib, subprocess, sys
names = {"__name__": "__main__"}
sys.path.insert(0, "")
for where, line, saved, started, code in json.loads(sys.stdin.read()):
    if saved:
        pathlib.Path(saved).write_text(code, encoding="utf-8")
    elif started:
        sys.stdout.flush()
        subprocess.run([sys.executable, "-u", "-W", "error", started], stdin=subprocess.DEVNULL)
    else:
        exec(compile("\\n" * (line - 1) + code, where, "exec"), names)
"""


def needs_server(blocks: Sequence[Block]) -> bool:
    return any(SERVER in block.code for block in blocks if block.runs)


@pytest.mark.parametrize("page", [name for name in PROGRAMS if not needs_server(PROGRAMS[name])])
@pytest.mark.backend("sqlite", reason="these pages keep what they do in a file")
def test_the_code_of_a_page_does_what_it_says(tmp_path: Path, page: str) -> None:
    tell(PROGRAMS[page], tmp_path)


@pytest.mark.parametrize("page", [name for name in PROGRAMS if needs_server(PROGRAMS[name])])
@pytest.mark.backend("postgres", reason="these pages need a server")
def test_the_code_of_a_page_that_needs_a_server_does_too(
    tmp_path: Path, page: str, database_url: str
) -> None:
    with one_at_a_time(database_url, page):
        tell(PROGRAMS[page], tmp_path, server=database_url)


def tell(blocks: Sequence[Block], folder: Path, server: str = SERVER) -> None:
    """Run a page from top to bottom, in a process and a folder of its own."""
    parts = [
        (str(b.page), b.line, b.saved_as, b.started, b.code.replace(SERVER, server))
        for b in blocks
        if b.runs
    ]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", "-c", TELL],
        cwd=folder,
        input=json.dumps(parts),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.stdout.splitlines(), done.stderr) == (promised(blocks), "")


# -- what is not run here ------------------------------------------------------------------------


@pytest.mark.backend("sqlite", reason="nothing is run, so once is enough")
@pytest.mark.parametrize("block", [b for b in ALL if b.source], ids=lambda b: b.where)
def test_an_excerpt_stands_in_its_file(block: Block, tmp_path: Path) -> None:
    assert block.source is not None
    if block.title.endswith(PRINTS):
        assert printed_by(block.source, tmp_path) == block.code
    else:
        assert is_part_of(block.code, block.source.read_text(encoding="utf-8"))


def printed_by(program: Path, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-X", "utf8", str(program)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


def is_part_of(code: str, text: str) -> bool:
    """Whether these lines stand there one after the other, wherever they are indented."""
    wanted = code.rstrip("\n").split("\n")
    lines = text.split("\n")
    return any(
        all(_same(line, want, lines[at]) for line, want in zip(lines[at:], wanted, strict=False))
        for at in range(len(lines) - len(wanted) + 1)
    )


def _same(line: str, wanted: str, first: str) -> bool:
    indent = first[: len(first) - len(first.lstrip())]
    return line.removeprefix(indent) == wanted


@pytest.mark.backend("sqlite", reason="nothing is run, so once is enough")
def test_what_is_not_run_says_why_and_is_rare() -> None:
    skipped = [block for block in ALL if block.title.startswith(NOT_RUN)]

    assert [block.where for block in skipped if len(block.title) < len(NOT_RUN) + 10] == []
    assert len(skipped) <= len(ALL) // 20
