"""The code in the documentation: which blocks a page has, and what becomes of each.

A page is a program that is told in pieces: its Python blocks share their names and run in their
order. The title of a block, which the reader sees as well, says of which kind it is:

* none, or words: it runs, and each ``print(…)  # this`` in it must print what stands behind it
* ``prints``: it is what the blocks before it print, where that is too long for a comment
* a file of the repository: it is an excerpt, which must stand there word for word
* a file of the repository and ``prints``: it is that program's whole output
* another file's name: it is saved under it, for later blocks to import or to start
* such a name and ``prints``: the file is started, and this is its whole output; again, once more
* ``not run: `` and a reason: it is only read
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

SERVER = "postgresql://app:secret@db.example/work"
"""What stands for the reader's own server: who runs a page puts a real one in its place."""

PRINTS = " prints"
OUTPUT = PRINTS.strip()
NOT_RUN = "not run: "

_OPENING = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<info>[^`]*)$")
_TITLE = re.compile(r'\btitle="([^"]*)"')
_FILE = re.compile(r"[\w./-]+\.[a-z]+")
_PROMISE = re.compile(r"(?m)^ *print\(.*\)  # (.*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. ``line`` is that of its first line of code, from 1."""

    page: Path
    line: int
    language: str
    title: str
    code: str

    @property
    def where(self) -> str:
        """As an editor finds it."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def source(self) -> Path | None:
        """The file of the repository that it is an excerpt of, or that prints it."""
        path = ROOT / self.title.removesuffix(PRINTS)
        return path if self.title and path.is_file() else None

    @property
    def saved_as(self) -> str | None:
        """The name of the file that the reader is told to make of it."""
        if self.source or not _FILE.fullmatch(self.title):
            return None
        return self.title

    @property
    def started(self) -> str | None:
        """The name of the file that the reader is told to start."""
        name = self.title.removesuffix(PRINTS)
        return name if name != self.title and self.source is None else None

    @property
    def runs(self) -> bool:
        """Whether it is a part of its page's program."""
        is_code = self.language == "python" or bool(self.saved_as or self.started)
        return is_code and self.source is None and not self.title.startswith(NOT_RUN)


def pages() -> list[Path]:
    """Every page of the site."""
    return sorted(DOCS.rglob("*.md"))


def readmes() -> list[Path]:
    """Pages that are read outside of the site; each of their blocks is a program by itself."""
    return [ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("README.md")), *sorted(_inner_readmes())]


def _inner_readmes() -> Iterator[Path]:
    for folder in (*ROOT.glob("cloaca*"), ROOT / "examples"):
        yield from folder.rglob("README.md")


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    found: list[Block] = []
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    for number, line in lines:
        if opened := _OPENING.match(line):
            code = _inside(opened["indent"], opened["fence"], (text for _, text in lines))
            language, _, rest = opened["info"].strip().partition(" ")
            title = _TITLE.search(rest)
            found.append(Block(page, number + 1, language, title[1] if title else "", code))
    return found


def _inside(indent: str, fence: str, lines: Iterator[str]) -> str:
    """The lines up to the closing fence, which are taken, without what they are indented by."""
    code = []
    for line in lines:
        if line.removeprefix(indent).rstrip() == fence:
            break
        code.append(line.removeprefix(indent))
    return "".join(f"{line}\n" for line in code)


def promised(blocks: Sequence[Block]) -> list[str]:
    """The lines that a program must print: behind ``print(…)  # one line`` or ``# one / another``,
    and in blocks of output.
    """
    return [line for block in blocks for line in _promised_by(block)]


def _promised_by(block: Block) -> Iterator[str]:
    if block.title == OUTPUT or block.started:
        yield from block.code.splitlines()
    elif block.runs:
        for comment in _PROMISE.findall(block.code):
            yield from comment.split(" / ")
