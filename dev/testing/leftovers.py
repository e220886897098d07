"""Removes the remains of a test run that was killed, at the start of the next one.

A run has a folder and holds a lock on a file in it; the system frees the lock when the process
ends, in any way. All processes of the run, direct and indirect children, have the folder's name in
their environment, so that exactly those which outlived the run are found. Without ``/proc`` (macOS)
they are left to end by themselves; on Windows nothing is swept.
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
"""The variable with the folder of the run that started a process."""
_LOCK = "in-use"
_PROCESSES = Path("/proc")
_PATIENCE_SECONDS = 5.0


@contextmanager
def run_folder(within: Path | None = None) -> Iterator[Path]:
    """Make a run's folder, in this one if that is given, and remove it afterwards; if this run is
    killed, the next one does.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=within, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (folder / "not-yet-in-use").open("wb") as file:
            _take(file.fileno())
            if os.name != "nt":
                # Other runs see the lock only now, when it is held.
                (folder / "not-yet-in-use").rename(folder / _LOCK)
            yield folder


def sweep(temporary: Path) -> None:
    """Remove folders of killed runs in this folder, and kill their remaining processes."""
    for lock in temporary.glob(f"{PREFIX}*/{_LOCK}"):
        if _is_free(lock):
            _end_processes_of(lock.parent)
            shutil.rmtree(lock.parent, ignore_errors=True)
            say(f"  removed what a killed test run left: {lock.parent.name}")
    # After the processes: a test that was just killed may have kept a server.
    for path in cluster.sweep(temporary):
        say(f"  stopped a server whose keeper was gone: {path.name}")


def sweep_server(url: str) -> None:
    """Drop the databases of killed runs on a PostgreSQL server that several runs use."""
    for name in maintenance.sweep(url):
        say(f"  dropped what a killed test run left: {name}")


def _is_free(lock: Path) -> bool:
    """True when the run that held the lock has ended; False for another user's run."""
    try:
        with lock.open("r+b") as file:
            return _take(file.fileno())
    except OSError:
        return False


def _take(handle: int) -> bool:
    """Lock a file unless another process holds its lock."""
    if sys.platform == "win32":
        return False
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _end_processes_of(folder: Path) -> None:
    """Kill the processes of a run; twice, since one may start another just before it is killed."""
    mark = f"{MARK}={folder}".encode()
    for _ in range(2):
        for process in _PROCESSES.glob("[0-9]*"):
            if _has(process, mark):
                _end(int(process.name))


def _has(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes().split(b"\0")
    except OSError:  # the process has ended, or is another user's
        return False


def _end(pid: int) -> None:
    """Kill a process, and wait for its end if the system can report that."""
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
