"""The traceback of a program that cannot be imported: its own frames, and the error last.

Frames of cloaca, of the import machinery, of Python and of installed packages are left out: what is
to be mended stands in the program.
"""

from __future__ import annotations

import importlib
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from traceback import FrameSummary, StackSummary, TracebackException
from typing import Final

import cloaca_core
import cloaca_tools

_OURS: Final = (
    Path(cloaca_core.__file__).parent,
    Path(cloaca_tools.__file__).parent,
    Path(importlib.__file__).parent,
)
_INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
_PYTHON: Final = Path(sysconfig.get_path("stdlib"))


def told(error: BaseException) -> str:
    """The traceback as text, without an end of line; the tracebacks of its causes are shortened as
    well.
    """
    found = TracebackException.from_exception(error)
    for each in _chain(found):
        each.stack = StackSummary.from_list(own(each.stack))
    return "".join(found.format()).rstrip("\n")


def own(stack: StackSummary) -> list[FrameSummary]:
    """The frames of the program. One that is itself installed keeps its frames and those of other
    packages, which cannot be told apart.
    """
    outside = [each for each in stack if not _is_machinery(each.filename)]
    return [each for each in outside if not _is_installed(each.filename)] or outside


def _chain(error: TracebackException) -> Iterator[TracebackException]:
    """An error and those that led to it."""
    yield error
    for before in (error.__cause__, error.__context__, *(error.exceptions or ())):
        if before is not None:
            yield from _chain(before)


def _is_machinery(file: str) -> bool:
    return file.startswith("<frozen ") or any(Path(file).is_relative_to(each) for each in _OURS)


def _is_installed(file: str) -> bool:
    path = Path(file)
    return bool(_INSTALLED.intersection(path.parts)) or path.is_relative_to(_PYTHON)
