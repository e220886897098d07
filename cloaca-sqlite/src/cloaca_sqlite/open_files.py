"""Which files the connections of this process have open, and which were open when it was forked.

SQLite notes in the memory of a process which locks that holds on a file. A forked child inherits
the notes but not the locks: if it opens such a file, it works on without any, and whoever closes
the file next takes the log away beneath it, with everything that it has committed. SQLite does not
notice, and its notes cannot be reached. So the child must not open these files, under any name,
even when its parent has long closed them.
"""

from __future__ import annotations

import os
import re
from enum import Enum, auto
from pathlib import Path
from typing import Final, TypeAlias

FileId: TypeAlias = tuple[int, int]
"""Device and inode: what SQLite itself tells files apart by."""


class OpenFiles:
    """One entry for each open connection. Safe in any thread, and without a lock that a fork could
    leave taken: what a method does to the list is one operation.
    """

    def __init__(self) -> None:
        self._open: list[FileId] = []
        self._inherited: frozenset[FileId] = frozenset()

    def add(self, file: FileId) -> None:
        """A connection to it was opened."""
        self._open.append(file)

    def remove(self, file: FileId) -> None:
        """A connection to it was closed."""
        self._open.remove(file)

    def count(self, file: FileId) -> int:
        """How many of the connections to it are open in this process."""
        return self._open.count(file)

    def is_inherited(self, file: FileId) -> bool:
        """Whether it was open in a process that this one descends from, when that one forked."""
        return file in self._inherited

    def inherit(self) -> None:
        """Begin anew in the child, where nobody can close what was open."""
        self._inherited |= frozenset(self._open)
        self._open = []


def file_id(path: str) -> FileId | None:
    """What is at this path now, None when that cannot be told. ``stat`` touches no lock."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Whereabouts(Enum):
    """State of a file that was at a path."""

    THERE = auto()
    ELSEWHERE = auto()
    """Deleted, moved or replaced."""
    LINKED = auto()
    """There, and under a second name: a hard link."""


def whereabouts(file: FileId, path: str) -> Whereabouts:
    """State of the file that was at this path, as far as that is certain."""
    try:
        found = os.stat(path)  # noqa: PTH116 - each commit asks: a Path takes half as long again
    except (FileNotFoundError, NotADirectoryError):
        return Whereabouts.ELSEWHERE
    except OSError:  # a program may give up its right to look, and keep what it has open
        return Whereabouts.THERE
    if (found.st_dev, found.st_ino) != file:
        return Whereabouts.ELSEWHERE
    return Whereabouts.LINKED if found.st_nlink > 1 else Whereabouts.THERE


def is_elsewhere(file: FileId, path: str) -> bool:
    """Whether a file that was at this path is certainly there no more."""
    return whereabouts(file, path) is Whereabouts.ELSEWHERE


def is_mount_point(path: Path) -> bool:
    """Whether something is mounted right there, as far as the system tells."""
    try:
        mounts = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return False
    return os.fsencode(path) in [_unescaped(line.split()[4]) for line in mounts]


def _unescaped(field: bytes) -> bytes:
    """White space and backslashes are written as octal numbers there."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), field)


_MOUNTS: Final = Path("/proc/self/mountinfo")

OPEN_FILES: Final = OpenFiles()
"""The one of this process, as SQLite's notes are."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OPEN_FILES.inherit)
