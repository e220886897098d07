"""The wall clock of all processes of a world, which is moved for all of them at once: they share a
machine. It lies beside the machine's own clock by what is written in a file.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cloaca_core.values.times import clock

_DISTANCE = struct.Struct("q")


def move(path: Path, seconds: float) -> None:
    """Set the clock of all that follow this file, so far from the machine's own."""
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.write(_DISTANCE.pack(int(seconds * 1e9)))


def follow(path: Path) -> None:
    """Read the wall clock of this process by the file from now on."""
    with path.open("rb") as file:
        distance = mmap.mmap(file.fileno(), _DISTANCE.size, prot=mmap.PROT_READ)

    def time_ns() -> int:
        (moved,) = _DISTANCE.unpack_from(distance)
        return time.time_ns() + int(moved)

    module: Any = clock
    module.time = SimpleNamespace(time_ns=time_ns, monotonic=time.monotonic)
