"""The ``sqlite3`` connection, with checks of its files that SQLite does not make.

When a database is moved, has a second name or loses its log, SQLite still accepts commits which no
other process will ever see. Everything here runs on the thread of the connection.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading
import time
from enum import Enum, auto
from pathlib import Path
from typing import Final, TypeVar, assert_never

from cloaca_core.errors import StoreError, StoreOpenError
from cloaca_sqlite.files.file_locks import hold, no_one_opens, release
from cloaca_sqlite.files.fork_gate import GATE
from cloaca_sqlite.files.log_files import LogFiles
from cloaca_sqlite.files.open_files import OPEN_FILES, FileId, Whereabouts, file_id, whereabouts
from cloaca_sqlite.url import MEMORY

_CACHED_STATEMENTS: Final = 128
_MOMENT_S: Final = 0.005
"""Age at which a check of the log is repeated; a commit, in which it may be lost too, is no
shorter."""
HARD_LINK: Final = (
    "the file has a second name, a hard link. SQLite keeps a log for each name, and what is written"
    " by one name is lost to the other: remove the other name (a symbolic link or a copy is safe)"
)


class Folding(Enum):
    """Result of moving a lost log into the file."""

    DONE = auto()
    """All of it is in the file."""
    LATER = auto()
    """Another try may succeed: a reader was in the way, or the disk failed."""
    NEVER = auto()
    """Impossible: others may have changed the file without this log."""


class LogLostError(Exception):
    """The write-ahead log of this connection is not the one beside the file any more.

    Its further commits are lost; only a new connection can go on.
    """


class FileConnection(sqlite3.Connection):
    """A connection, registered in ``OPEN_FILES`` until it is closed. ``place`` is the path of
    ``file`` without symbolic links. ``file`` is None for a database in memory, which has no files.
    """

    file: FileId | None = None
    place: str
    log: LogFiles | None = None
    read_only: bool = False
    is_open: bool = True
    _is_held: bool = False
    _seen_at: float = 0.0
    _size: int = 0

    # -- open --------------------------------------------------------------------------------

    def settle(self) -> None:
        """Read, so that SQLite opens its log; note which file it is, and hold its locks.

        A file that is only read may have no write-ahead log: then nothing is held.
        """
        self.execute("PRAGMA schema_version").fetchone()
        (mode,) = self.execute("PRAGMA journal_mode").fetchone()
        if self.file is None or mode != "wal":
            return
        self.log = LogFiles.beside(self.place)
        with _last_one:
            self._is_held = hold(self.file, self.log.index)

    # -- look --------------------------------------------------------------------------------

    def check_place(self) -> None:
        """Raise if the file is not at its place, has lost its end or has two names.

        ``LogLostError`` when this connection was abandoned.
        """
        if not self.is_open:
            raise LogLostError
        if self.file is None:
            return
        where, size = whereabouts(self.file, self.place)
        match where:
            case Whereabouts.THERE:
                if size != self._size:
                    self._resized(size)
            case Whereabouts.UNSEEN:
                return
            case Whereabouts.ELSEWHERE:
                raise moved(self.place)
            case Whereabouts.LINKED:
                raise linked(self.place)
            case other:
                assert_never(other)

    def _resized(self, size: int) -> None:
        """Note a new size. Before there is a log, a process that makes the file may take its first
        page back.
        """
        if self.log is not None:
            if size < self._size and self._is_cut_off(self.log, size):
                raise cut_off(self.place)
            self._size = size

    def _is_cut_off(self, log: LogFiles, size: int) -> bool:
        """Whether pages of the database are missing in a file that has become smaller, and cannot
        all be in the log. A file also becomes smaller when SQLite gives free pages back.
        """
        if not size:
            return True
        ((pages,),) = self.execute("PRAGMA page_count").fetchall()
        ((page_size,),) = self.execute("PRAGMA page_size").fetchall()
        missing = int(pages * page_size) - size
        return missing > 0 and (in_log := log.size()) is not None and missing > in_log

    def check_log(self) -> None:
        """Raise ``LogLostError`` unless a process that opens the file now finds this log."""
        if self.has_lost_log():
            self._seen_at = 0.0
            raise LogLostError
        self._seen_at = time.monotonic()

    def check_log_before_work(self) -> None:
        """Check the log, unless that was done a moment ago.

        The log may also be lost during the work, so it is checked again after the commit.
        """
        if time.monotonic() - self._seen_at > _MOMENT_S:
            self.check_log()

    def has_lost_log(self) -> bool:
        """True when this connection writes to a deleted or replaced log."""
        return self.is_open and self.log is not None and self.log.are_lost()

    # -- close -------------------------------------------------------------------------------

    def close(self) -> None:
        """Close, not during a fork; the last connection to close moves the log into the file."""
        with GATE:
            is_lost = self.has_lost_log()
            if is_lost:
                self.fold()
            self._close(last_may_fold=not is_lost and not self._has_holes())

    def _has_holes(self) -> bool:
        """Whether the file was cut off, and the log does not have all pages that it lacks: with the
        log folded into it, it would be damaged. The cache may still have such pages.
        """
        if self.file is None or not self._size:
            return False
        where, size = whereabouts(self.file, self.place)
        if where is not Whereabouts.THERE or size >= self._size:
            return False
        try:
            self.execute("PRAGMA shrink_memory").fetchall()
            (found,) = self.execute("PRAGMA quick_check").fetchone()
        except sqlite3.Error:
            return True
        return bool(found != "ok")

    def abandon(self) -> None:
        """Close and leave the file as it is: others may have changed it meanwhile."""
        with GATE:
            self._close(last_may_fold=False)

    def fold(self) -> Folding:
        """Move the content of a lost log into the file itself."""
        if self.file is None or self.log is None or not self._may_fold():
            return Folding.NEVER
        with no_one_opens(self.file) as alone:
            if not self.log.are_lost() or self.log.are_replaced():
                return Folding.NEVER
            if not alone or not self._checkpoint():
                return Folding.LATER
            self.log.remove()
        return Folding.DONE

    def _may_fold(self) -> bool:
        """True when a lock held all the time proves that no other process changed the file."""
        return self.is_open and self._is_held and not self.read_only

    def _checkpoint(self) -> bool:
        """Checkpoint; True when the file has the log's whole content."""
        try:
            busy, frames, folded = self.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error:
            return False
        return not busy and frames == folded

    def _close(self, *, last_may_fold: bool) -> None:
        if self.is_open:
            self._leave(last_may_fold=last_may_fold)
            super().close()

    def _leave(self, *, last_may_fold: bool) -> None:
        """Prepare to close: decide whether SQLite then moves the log into the file (folds it).

        SQLite does so if it can lock the whole file, so before the last connection of this process
        closes, our own locks are released. If it must not fold, our locks stay until it has closed,
        and from Python 3.12 on SQLite is told not to. Before that, where our locks do not exist,
        only another open connection of this process keeps SQLite from folding.
        """
        self.is_open = False
        if self.file is not None:
            with _last_one:
                OPEN_FILES.remove(self.file)
                if last_may_fold and not OPEN_FILES.count(self.file):
                    release(self.file)
        if not last_may_fold and sys.version_info >= (3, 12):
            self.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)


_last_one = threading.Lock()
"""Keeps the closing of the last connection and the opening of a new one apart."""


def _forget_lock() -> None:
    """Make a new lock in a forked child, where the old one may be locked for ever."""
    global _last_one
    _last_one = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)


ConnectionT = TypeVar("ConnectionT", bound=FileConnection)


def connect(uri: str, path: str, *, read_only: bool = False) -> FileConnection:
    """Open a file, not during a fork; refuse a file that was open before a fork."""
    return connect_as(FileConnection, uri, path, read_only=read_only)


def connect_as(
    factory: type[ConnectionT],
    uri: str,
    path: str,
    *,
    read_only: bool = False,
    one_thread: bool = True,
    cached_statements: int = _CACHED_STATEMENTS,
) -> ConnectionT:
    """As ``connect``, a connection of this class. Unless it is for ``one_thread``, others may use
    it too.
    """
    is_file = path != MEMORY
    with GATE:
        if is_file:
            _refuse_inherited(path)
        raw = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            timeout=0,
            cached_statements=cached_statements,
            check_same_thread=one_thread,
            factory=factory,
        )
        if is_file and (file := file_id(path)) is not None:
            OPEN_FILES.add(file)
            raw.file, raw.place = file, str(Path(path).resolve())
        raw.read_only = read_only
    return raw


def connect_again(uri: str, path: str, before: FileConnection) -> FileConnection:
    """Open the same file again, without the settings of the old connection."""
    raw = connect(uri, path, read_only=before.read_only)
    if raw.file != before.file:
        raw.close()
        raise moved(before.place)
    return raw


def _refuse_inherited(path: str) -> None:
    if (file := file_id(path)) is not None and OPEN_FILES.is_inherited(file):
        raise StoreOpenError(
            f"{path} was open in the process that this one was forked from, and SQLite would take"
            " the locks of that one for its own: open it after forking only, in each process, or"
            " start this process with the method 'spawn'",
            database=path,
        )


def moved(place: str) -> StoreError:
    """Make the error for a file that is not at its place."""
    return StoreError(
        f"{place}: the file was deleted, moved or replaced while it was open, and what"
        " is written now would be lost: put it back before this runner is shut down (what"
        " was committed last is still in the -wal file beside it)",
        database=place,
        is_gone=True,
    )


def cut_off(place: str) -> StoreError:
    """Make the error for a file that was emptied or cut short."""
    return StoreError(
        f"{place}: the file was emptied or cut short while it was open, and what is written now"
        " would be lost: shut all programs down that have it open. If the -wal file beside it has"
        " all of it, it is whole then; if not, both stay as they are: restore a backup",
        database=place,
        is_gone=True,
    )


def linked(place: str) -> StoreError:
    """Make the error for a file with a second name."""
    return StoreError(f"{place}: {HARD_LINK}", database=place)
