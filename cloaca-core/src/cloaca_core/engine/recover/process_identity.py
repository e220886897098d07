"""Identifies the process of a runner, and tells whether it has certainly ended.

The process is named by the boot of its kernel, its pid namespace, its pid and its start time:
containers share boot ids and host names, so those alone would make live processes seem gone. A
process that cannot be read counts as alive; the lease decides then.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from cloaca_core.store.runner_rows import RunnerRow

_PROC: Final = Path("/proc")
_ENDED: Final = frozenset("ZXx")
"""Process states of proc(5) in which nothing runs any more."""


class ProcessIdentity(NamedTuple):
    """Empty strings and 0 where this platform does not tell."""

    boot_id: str
    pid_namespace: str
    pid: int
    process_start: int


def this_process() -> ProcessIdentity:
    """The identity of the calling process."""
    stat = _stat(os.getpid())
    return ProcessIdentity(
        boot_id=_read(_PROC / "sys/kernel/random/boot_id").strip(),
        pid_namespace=_link(_PROC / "self/ns/pid"),
        pid=os.getpid(),
        process_start=0 if stat is None else stat[1],
    )


def host_name() -> str:
    """The name of this machine, for people. It identifies nothing."""
    return storable_text(socket.gethostname())[:255]


def process_of(row: RunnerRow) -> ProcessIdentity:
    """The identity of the process that a runner lives in."""
    return ProcessIdentity(row.boot_id, row.pid_namespace, row.pid, row.process_start)


def is_neighbour(mine: ProcessIdentity, other: ProcessIdentity) -> bool:
    """Whether the other's pid means the same process here as there."""
    return bool(mine.boot_id and mine.pid_namespace) and mine[:2] == other[:2]


def is_gone(mine: ProcessIdentity, other: ProcessIdentity) -> bool:
    """Whether the other process has certainly ended."""
    if not is_neighbour(mine, other) or not other.process_start:
        return False
    stat = _stat(other.pid)
    if stat is not None:
        return stat[0] in _ENDED or stat[1] != other.process_start
    # After the reading: if its parent collects it between the two, it still counts as gone.
    try:
        os.kill(other.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # it exists and belongs to another user
    return False


def _stat(pid: int) -> tuple[str, int] | None:
    """State and start time (clock ticks since boot) of a process, fields 3 and 22 of its stat."""
    _, _, after_name = _read(_PROC / str(pid) / "stat").rpartition(")")
    fields = after_name.split()
    return (fields[0], int(fields[19])) if len(fields) > 19 else None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""
