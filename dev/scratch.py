"""Where the files of tests are, none of which need outlive them: in memory, where there is room.

A commit to a file in memory waits for no disk. Tests on SQLite take a sixth less of a processor
so, and a server of PostgreSQL a quarter less.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 (each run makes a folder of its own in it)
"""Linux has a file system in memory there; containers often have one that is too small."""
ROOM = 4 * 1024**3
"""Bytes that must be free: several times what a run of all tests has had there at any moment."""
_FACTS = Path("/proc/meminfo")
_AVAILABLE = re.compile(r"^MemAvailable: +(\d+) kB$", re.MULTILINE)


def folder() -> Path:
    """The folder for the files of tests."""
    return MEMORY if _room() >= ROOM else Path(tempfile.gettempdir())


def folders() -> list[Path]:
    """The folders in which a killed run of the tests may have left something."""
    return [MEMORY, Path(tempfile.gettempdir())]


def _room() -> int:
    """The bytes that fit there: the file system may be larger than the memory that is available."""
    try:
        free = shutil.disk_usage(MEMORY).free
        available = _AVAILABLE.search(_FACTS.read_text(encoding="utf-8"))
    except OSError:
        return 0
    return min(free, 1024 * int(available[1])) if available else 0
