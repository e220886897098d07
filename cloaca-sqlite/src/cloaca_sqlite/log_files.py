"""The two files that SQLite keeps beside a database: its write-ahead log and the index of that.

SQLite opens them once and never looks again whether they are still there. When they are gone, a
connection goes on writing to a log that no other process will ever find.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cloaca_sqlite.file_locks import count_descriptors
from cloaca_sqlite.open_files import FileId, file_id, is_elsewhere

_NOWHERE: Final[FileId] = (0, 0)
"""Of a file that was gone before it could be looked at: it is never found again."""


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

    def are_lost(self) -> bool:
        """Whether a process that opens the database now would not meet these two."""
        try:
            log, index = os.stat(self.log_path), os.stat(self.index_path)  # noqa: PTH116 - as there
        except OSError:
            return self._is_elsewhere()
        return (log.st_dev, log.st_ino) != self.log or (index.st_dev, index.st_ino) != self.index

    def _is_elsewhere(self) -> bool:
        return is_elsewhere(self.log, self.log_path) or is_elsewhere(self.index, self.index_path)

    def are_replaced(self) -> bool:
        """Whether another process may have begun a log or an index of its own since."""
        log, index = self._now()
        return log not in (None, self.log) or index not in (None, self.index)

    def are_parted(self) -> bool:
        """Whether the index is still there without its log, for others to stumble over."""
        log, index = self._now()
        return log != self.log and index == self.index

    def descriptors_here(self) -> int:
        """The number of connections of this process to the log: each has a descriptor of it."""
        return count_descriptors(self.log)

    def are_used_here(self) -> bool:
        """Whether a connection of this process has a lost one open. A number that a file has now is
        not that of a lost one: the system gives it away only when no process has that one open.
        """
        lost = {self.log, self.index}.difference(self._now())
        return any(count_descriptors(each) for each in lost)

    def remove(self) -> None:
        """Delete what is still there, so that no process takes one of them without the other."""
        log, index = self._now()
        if log == self.log:
            Path(self.log_path).unlink(missing_ok=True)
        if index == self.index:
            Path(self.index_path).unlink(missing_ok=True)

    def _now(self) -> tuple[FileId | None, FileId | None]:
        return file_id(self.log_path), file_id(self.index_path)
