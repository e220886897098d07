"""Removes the remains of a test run that was killed, at the start of the next one.

A run has a folder and holds a lock on a file in it; the system frees the lock when the process is
gone, in whatever way. Each process that the run starts, and each that these start, has the
folder's name in its environment, so that those which outlived the run are found and nothing else
is. Without ``/proc`` (macOS) they are left to end by themselves; on Windows nothing is swept.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dev.console import say
from dev.databases import cluster, maintenance

PREFIX = "cloaca-test-"
MARK = "CLOACA_TEST_RUN"
"""The variable that says in which run's folder a process was started."""
_LOCK = "in-use"
_PROCESSES = Path("/proc")
_PATIENCE_SECONDS = 5.0


@contextmanager
def run_folder() -> Iterator[Path]:
    """A folder that is gone afterwards; the next run removes that of a run which was killed."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / "not-yet-in-use").open("wb") as file:
            _take(file.fileno())
            if os.name != "nt":
                # Only now it is seen by others, who would find it free a moment before.
                (folder / "not-yet-in-use").rename(folder / _LOCK)
            yield folder


def sweep(temporary: Path) -> None:
    """Remove what killed runs have left in this folder, and end what they have left running."""
    for lock in temporary.glob(f"{PREFIX}*/{_LOCK}"):
        if _is_free(lock):
            _end_processes_of(lock.parent)
            shutil.rmtree(lock.parent, ignore_errors=True)
            say(f"  removed what a killed test run left: {lock.parent.name}")
    # Afterwards: a test that has just been ended may have kept one.
    for path in cluster.sweep(temporary):
        say(f"  ended a server that nobody kept: {path.name}")


def sweep_server(url: str) -> None:
    """Drop what killed runs have left on a PostgreSQL server that several runs use."""
    for name in maintenance.sweep(url):
        say(f"  dropped what a killed test run left: {name}")


def _is_free(lock: Path) -> bool:
    """Whether the run that held it has gone; False for another user's, which is left alone."""
    try:
        with lock.open("r+b") as file:
            return _take(file.fileno())
    except OSError:
        return False


def _take(handle: int) -> bool:
    """Lock a file unless another process has."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_processes_of(folder: Path) -> None:
    """Twice, since one may have started another just before it was ended."""
    mark = f"{MARK}={folder}".encode()
    for _ in range(2):
        for process in _PROCESSES.glob("[0-9]*"):
            if _has(process, mark):
                _end(int(process.name))


def _has(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is another user's
        return False


def _end(pid: int) -> None:
    """Kill a process, and wait until it has gone where the system can tell."""
    try:
        handle = os.pidfd_open(pid) if sys.platform == "linux" else None
    except ProcessLookupError:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
        if handle is not None:
            select.select([handle], [], [], _PATIENCE_SECONDS)
    if handle is not None:
        os.close(handle)
