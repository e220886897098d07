"""Tracebacks, taken apart: the last frame of the user's own code, and the others. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloaca_core.views.explain.words import is_the_users

_FRAME: Final = re.compile(
    r'^  File "(?P<file>[^"\n]+)", line (?P<line>\d{1,9}), in (?P<name>.+)\n'
    r"(?P<source>(?:    .*\n?)*)",
    re.MULTILINE,
)
_CHAIN: Final = re.compile(
    r"\n(?:The above exception was the direct cause of the following exception"
    r"|During handling of the above exception, another exception occurred):\n\n"
)
_POINTER: Final = re.compile(r"^[ ~^]+$")
_PACKAGE: Final = re.compile(r"[/\\](?:site|dist)-packages[/\\](?P<name>[^/\\.]+)")
_SHOWN_PARTS: Final = 3
"""Parts of a path that are shown; all of it is shown on demand."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A call: ``source`` are the lines that the traceback holds, the first of them is ``line``."""

    file: str
    line: int
    name: str
    source: tuple[str, ...]
    is_own: bool

    @property
    def place(self) -> str:
        """The end of its path."""
        parts = re.split(r"[/\\]", self.file)
        return "/".join(parts[-_SHOWN_PARTS:]) if len(parts) > _SHOWN_PARTS else self.file

    @property
    def library(self) -> str:
        """The package that it is in: "Python" for the standard library, "" for the user's code."""
        if self.is_own:
            return ""
        found = _PACKAGE.search(self.file)
        if found:
            return found["name"]
        return "cloaca" if "cloaca_" in self.file else "Python"


@dataclass(frozen=True, slots=True)
class Traceback:
    """``main`` is the last frame of the user's own code, else the last; None where there is no
    frame. ``others`` are the other frames of the error, in the order of the calls; ``causes`` the
    last lines of the errors before it.
    """

    main: Frame | None
    others: tuple[Frame, ...]
    causes: tuple[str, ...]

    @property
    def others_words(self) -> str:
        """How many frames there are besides, and where most are: ``5 more, 4 of them in httpx``."""
        if not self.others:
            return ""
        more = f"{len(self.others)} more {'frame' if len(self.others) == 1 else 'frames'}"
        libraries = Counter(each.library for each in self.others if each.library)
        if not libraries:
            return more
        name, number = libraries.most_common(1)[0]
        if number == len(self.others):
            return f"{more}, in {name}"
        return f"{more}, {number} of them in {name}"


def parsed(text: str) -> Traceback:
    """A traceback as Python writes it; without frames for any other text."""
    *before, last = _CHAIN.split(text)
    frames = [_frame(found) for found in _FRAME.finditer(last)]
    main = _main(frames)
    others = tuple([each for each in frames if each is not main])
    return Traceback(main, others, tuple([_last_line(each) for each in before]))


def _main(frames: Sequence[Frame]) -> Frame | None:
    chosen = [each for each in frames if each.is_own] or frames
    return chosen[-1] if chosen else None


def _frame(found: re.Match[str]) -> Frame:
    lines = [line[4:] for line in found["source"].splitlines()]
    return Frame(
        file=found["file"],
        line=int(found["line"]),
        name=found["name"],
        source=tuple([line for line in lines if not _POINTER.match(line)]),
        is_own=is_the_users(found["file"]),
    )


def _last_line(text: str) -> str:
    """The error of a part: its first line after the frames."""
    lines = [line for line in text.strip().splitlines() if line and not line.startswith(" ")]
    return lines[-1] if lines else ""
