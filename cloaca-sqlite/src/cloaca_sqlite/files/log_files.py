"""The two files that SQLite keeps beside a database: the write-ahead log and its index.

SQLite opens them once and never checks again whether they still exist. When they are gone, a
connection continues to write to a log that no other process will ever find.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cloaca_sqlite.files.file_locks import count_descriptors
from cloaca_sqlite.files.open_files import FileId, file_id, is_elsewhere

_NOWHERE: Final[FileId] = (0, 0)
"""The id of a file that was gone before it could be read: it matches no file."""


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The log and index file that a connection has open."""

    log: FileId
    index: FileId
    log_path: str
    index_path: str

    @classmethod
    def beside(cls, place: str) -> Self:
        """The two files beside a database now. ``place`` is its path without symbolic links."""
        log, index = f"{place}-wal", f"{place}-shm"
        return cls(file_id(log) or _NOWHERE, file_id(index) or _NOWHERE, log, index)

    def size(self) -> int | None:
        """The size of the log in bytes; None if it is gone."""
        try:
            return Path(self.log_path).stat().st_size
        except OSError:
            return None

    def are_lost(self) -> bool:
        """True when a process that opens the database now would not find these two."""
        try:
            log, index = os.stat(self.log_path), os.stat(self.index_path)  # noqa: PTH116 - as there
        except OSError:
            return self._is_elsewhere()
        return (log.st_dev, log.st_ino) != self.log or (index.st_dev, index.st_ino) != self.index

    def _is_elsewhere(self) -> bool:
        return is_elsewhere(self.log, self.log_path) or is_elsewhere(self.index, self.index_path)

    def are_replaced(self) -> bool:
        """True when another process may have started its own log or index since."""
        log, index = self._now()
        return log not in (None, self.log) or index not in (None, self.index)

    def are_parted(self) -> bool:
        """True when the index still exists without its log, which misleads other processes."""
        log, index = self._now()
        return log != self.log and index == self.index

    def descriptors_here(self) -> int:
        """The number of this process's connections to the log: each has one descriptor of it."""
        return count_descriptors(self.log)

    def are_used_here(self) -> bool:
        """True when a connection of this process has a lost file open.

        A file that exists now cannot have the inode of a lost one: the system reuses an inode only
        when no process has its old file open.
        """
        lost = {self.log, self.index}.difference(self._now())
        return any(count_descriptors(each) for each in lost)

    def remove(self) -> None:
        """Delete the remaining files, so that no process uses one without the other."""
        log, index = self._now()
        if log == self.log:
            Path(self.log_path).unlink(missing_ok=True)
        if index == self.index:
            Path(self.index_path).unlink(missing_ok=True)

    def _now(self) -> tuple[FileId | None, FileId | None]:
        return file_id(self.log_path), file_id(self.index_path)
