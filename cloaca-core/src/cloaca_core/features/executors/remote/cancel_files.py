"""Files that ask bodies on this host to end: an attempt's file exists while the attempt should
end.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from cloaca_core.features.executors.remote.temporary_folder import TemporaryFolder

if TYPE_CHECKING:
    from pathlib import Path

    from cloaca_core.engine.execute.attempt import Attempt


def name_of(attempt: Attempt) -> str:
    """The name of an attempt among the attempts of this runner. An attempt with the same number may
    still run there: one that was given up with the lease of its run, before its start was recorded.
    """
    return f"{attempt.run_id}-{attempt.index}-{attempt.number}-{attempt.epoch}"


class CancelFiles:
    """The files, in a folder of this runner, which is made when it is first needed. Any thread may
    call it. When the folder is deleted, all bodies should end.
    """

    def __init__(self) -> None:
        self._folder: TemporaryFolder | None = None
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
            if self._folder is None or not self._folder.keep():
                if self._folder is not None:
                    self._folder.close()
                self._folder = TemporaryFolder()
                if self._closed:
                    self._folder.close()
            return self._folder.path / name

    def close(self) -> None:
        """Remove the folder."""
        with self._lock:
            self._closed = True
        if self._folder is not None:
            self._folder.close()
