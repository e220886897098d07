"""Files that tell bodies on this host to end: one is there while its attempt should end."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt


def name_of(attempt: Attempt) -> str:
    """The name of an attempt among those of this runner."""
    return f"{attempt.run_id}-{attempt.index}-{attempt.number}"


class CancelFiles:
    """In a folder of this runner, which is made when it is first needed. Any thread may ask. When
    the folder is gone, all bodies should end.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._closed = False
        self._lock = threading.Lock()

    def path(self, attempt: Attempt) -> Path:
        """The file of an attempt."""
        return self.beside(name_of(attempt))

    @staticmethod
    def make(file: Path) -> None:
        """Make the file of an attempt, unless the folder is gone."""
        with suppress(OSError):
            file.touch()

    @staticmethod
    def remove(file: Path) -> None:
        """Remove the file of an attempt that is over, if it was made."""
        file.unlink(missing_ok=True)

    def beside(self, name: str) -> Path:
        """A file of this name in the folder."""
        with self._lock:
            if self._folder is None or not _is_kept(self._folder):
                self._folder = Path(tempfile.mkdtemp(prefix="cloaca-"))
                if self._closed:
                    self._folder.rmdir()
            return self._folder / name

    def close(self) -> None:
        """Remove the folder."""
        with self._lock:
            self._closed = True
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _is_kept(folder: Path) -> bool:
    """Renew the time of the folder: else a service that removes old temporary files would take it
    from a runner that is open for days, and tell bodies to end. False if it is gone all the same.
    """
    try:
        os.utime(folder)
    except OSError:
        return False
    return True
