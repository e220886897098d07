"""A folder in the temporary directory that goes with its process, also with one that is killed.

A killed process leaves its folder there, and the next process that makes one removes it. A lock on
a file in the folder tells whether its process lives, also one in another container: the system
gives the lock up as the process ends. Where there are no such locks nothing is removed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl

_PREFIX: Final = "cloaca-"
_LOCK: Final = "lock"


class TemporaryFolder:
    """Makes the folder, for this user alone, and removes those of processes that have ended."""

    def __init__(self) -> None:
        self.path: Path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _locked(self.path)
        remove_leftovers(self.path.parent)

    def keep(self) -> bool:
        """Renew the time of the folder: else a service that removes old temporary files would take
        it from a process that goes on for days. False if it is gone all the same.
        """
        try:
            os.utime(self.path)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Remove the folder with all that it holds."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def remove_leftovers(home: Path) -> None:
    """Remove the folders there whose processes have ended."""
    for folder in home.glob(f"{_PREFIX}*"):
        if _is_left(folder / _LOCK):
            shutil.rmtree(folder, ignore_errors=True)


def _locked(folder: Path) -> int | None:
    """The descriptor of a locked file in the folder. It has its name once it is locked, so that no
    other process finds it without.
    """
    if sys.platform == "win32":
        return None
    beside = folder / f"{_LOCK}.new"
    with suppress(OSError):
        lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            beside.rename(folder / _LOCK)
        except OSError:
            os.close(lock)
            raise
        return lock
    return None


def _is_left(lock: Path) -> bool:
    """Whether no process holds this lock; False if that cannot be found out."""
    if sys.platform == "win32":
        return False
    try:
        found = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(found)
    return True
