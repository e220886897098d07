"""The code in the documentation runs as it stands and prints what it says."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from documents import NOT_RUN, PRINTS, ROOT, SERVER, Block, blocks_of, pages, promised, readmes
from own_database import one_at_a_time

from process.nursery import Nursery

BLOCKS = {page: blocks_of(page) for page in pages()}
PROGRAMS = {
    page.relative_to(ROOT).as_posix(): blocks
    for page, blocks in BLOCKS.items()
    if any(block.runs and not block.saved_as for block in blocks)
}
ALL = [block for page in [*pages(), *readmes()] for block in blocks_of(page)]


def needs_server(blocks: Sequence[Block]) -> bool:
    return any(SERVER in block.code for block in blocks if block.runs)


@pytest.mark.parametrize("page", [name for name in PROGRAMS if not needs_server(PROGRAMS[name])])
@pytest.mark.backend("sqlite", reason="these pages keep what they do in a file")
def test_the_code_of_a_page_does_what_it_says(nursery: Nursery, tmp_path: Path, page: str) -> None:
    tell(nursery, PROGRAMS[page], tmp_path)


@pytest.mark.parametrize("page", [name for name in PROGRAMS if needs_server(PROGRAMS[name])])
@pytest.mark.backend("postgres", reason="these pages need a server")
def test_the_code_of_a_page_that_needs_a_server_does_too(
    nursery: Nursery, tmp_path: Path, page: str, database_url: str
) -> None:
    with one_at_a_time(database_url, page):
        tell(nursery, PROGRAMS[page], tmp_path, server=database_url)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Where the processes come from that run the pages."""
    found = Nursery(Path(__file__).with_name("teller.py"))
    yield found
    found.close()


def tell(nursery: Nursery, blocks: Sequence[Block], folder: Path, server: str = SERVER) -> None:
    """Run a page from top to bottom, in a process and a folder of its own."""
    parts = [
        (str(b.page), b.line, b.saved_as, b.started, b.code.replace(SERVER, server))
        for b in blocks
        if b.runs
    ]
    with contextlib.chdir(folder):
        process = nursery.start([], dict(os.environ))
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr, ThreadPoolExecutor(1) as beside:
        with process.stdin:
            json.dump(parts, process.stdin)
        errors = beside.submit(process.stderr.read)
        printed = process.stdout.read()
        process.wait()
        assert (printed.splitlines(), errors.result()) == (promised(blocks), "")


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
