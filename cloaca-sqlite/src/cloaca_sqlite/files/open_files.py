"""Registers the files that connections have open, and the files that were open before a fork.

SQLite notes in memory which locks its process holds on a file. A forked child inherits the notes
but not the locks: if it opens such a file, it works without locks, and the next process that closes
the file deletes the child's log, with all its commits. SQLite does not notice, and its notes cannot
be changed. So the child must not open these files, under any name, even when its parent has closed
them.
"""

from __future__ import annotations

import os
import re
from enum import Enum, auto
from pathlib import Path
from typing import Final, TypeAlias

FileId: TypeAlias = tuple[int, int]
"""Device and inode, by which SQLite itself identifies files."""


class OpenFiles:
    """One entry for each open connection. Thread-safe without a lock, which a fork could leave
    locked: each method changes the list in one atomic operation.
    """

    def __init__(self) -> None:
        self._open: list[FileId] = []
        self._inherited: frozenset[FileId] = frozenset()

    def add(self, file: FileId) -> None:
        """Note that a connection to the file was opened."""
        self._open.append(file)

    def remove(self, file: FileId) -> None:
        """Note that a connection to the file was closed."""
        self._open.remove(file)

    def count(self, file: FileId) -> int:
        """The number of open connections to the file in this process."""
        return self._open.count(file)

    def is_inherited(self, file: FileId) -> bool:
        """True when an ancestor of this process had the file open when it forked."""
        return file in self._inherited

    def inherit(self) -> None:
        """Start again in the child: all files that were open are inherited ones now."""
        self._inherited |= frozenset(self._open)
        self._open = []


def file_id(path: str) -> FileId | None:
    """The file at this path now, None when it cannot be read. ``stat`` affects no lock."""
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
    """It has a second name: a hard link."""
    UNSEEN = auto()
    """Nothing is certain: the path cannot be looked at."""


def whereabouts(file: FileId, path: str) -> tuple[Whereabouts, int]:
    """The state of the file that was at this path, and its size in bytes if it exists."""
    try:
        found = os.stat(path)  # noqa: PTH116 - each commit needs it: a Path takes 1.5 times as long
    except (FileNotFoundError, NotADirectoryError):
        return Whereabouts.ELSEWHERE, 0
    except OSError:  # a program may drop its right to read the folder and keep its files
        return Whereabouts.UNSEEN, 0
    if (found.st_dev, found.st_ino) != file:
        return Whereabouts.ELSEWHERE, 0
    return Whereabouts.LINKED if found.st_nlink > 1 else Whereabouts.THERE, found.st_size


def is_elsewhere(file: FileId, path: str) -> bool:
    """True when a file that was at this path is certainly not there any more."""
    return whereabouts(file, path)[0] is Whereabouts.ELSEWHERE


def is_mount_point(path: Path) -> bool:
    """True when the path is a mount point, if the system says so."""
    try:
        mounts = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return False
    return os.fsencode(path) in [_unescaped(line.split()[4]) for line in mounts]


def _unescaped(field: bytes) -> bytes:
    """Decode a field of mountinfo, which has white space and backslashes as octal numbers."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), field)


_MOUNTS: Final = Path("/proc/self/mountinfo")

OPEN_FILES: Final = OpenFiles()
"""The register of this process; SQLite's notes are per process too."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=OPEN_FILES.inherit)
