"""Locks that a program cannot lose by reading its own database file.

SQLite's locks are POSIX locks, which belong to the process: they are all lost as soon as the
program closes *any* descriptor of the file, as ``open(path, "rb").read()`` does. Another process
that closes the database then believes that it was the last, and deletes the log.

A lock of an open file description is lost only with that description. So the same lock is taken a
second time in this form, on SQLite's own descriptors: no other descriptor is opened here, because
closing it would lose the POSIX locks. Only on Linux does Python have such locks; elsewhere
``hold`` returns False.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from cloaca_sqlite.files.open_files import FileId

_DESCRIPTORS: Final = Path("/dev/fd")


class _Range(NamedTuple):
    """Bytes that SQLite locks: part of its file format, and never part of the content."""

    start: int
    length: int


_PENDING: Final = _Range(0x40000000, 1)
"""In the database: a connection locks it for a moment while opening."""
_SHARED: Final = _Range(0x40000002, 510)
"""In the database: an open connection locks a part; deleting the log needs all of it."""
_DEAD_MAN: Final = _Range(128, 1)
"""In the index: an open connection locks it; a connection that finds it free starts the index anew.
"""


def hold(database: FileId, index: FileId) -> bool:
    """Hold locks so that other processes see these files as open; True when that was possible.

    Only for a connection that has read: SQLite then has its own locks, so these can be taken.
    """
    held = [_lock(each, _SHARED) for each in _descriptors_of(database)]
    for each in _descriptors_of(index):
        _lock(each, _DEAD_MAN)
    return any(held)


def release(database: FileId) -> None:
    """Release the locks, so that SQLite can tell whether it closes the file as the last one."""
    for each in _descriptors_of(database):
        _unlock(each, _SHARED)


@contextmanager
def no_one_opens(database: FileId) -> Iterator[bool]:
    """Keep other processes from opening the database; yields False if that is impossible now."""
    barred = next((each for each in _descriptors_of(database) if _bar(each)), None)
    try:
        yield barred is not None
    finally:
        if barred is not None:
            _unlock(barred, _PENDING)


def count_descriptors(file: FileId) -> int:
    """The number of descriptors of a file in this process, other libraries' included."""
    return len(_descriptors_of(file))


def _descriptors_of(file: FileId) -> list[int]:
    """All descriptors of a file, searched each time: SQLite does not reveal its own."""
    try:
        found = [int(each.name) for each in _DESCRIPTORS.iterdir()]
    except OSError:  # /proc is not mounted
        return []
    return [each for each in found if _is_of(each, file)]


def _is_of(descriptor: int, file: FileId) -> bool:
    try:
        found = os.fstat(descriptor)
    except OSError:  # closed meanwhile
        return False
    return (found.st_dev, found.st_ino) == file


if sys.platform == "linux":
    import fcntl

    _FLOCK: Final = "hhqqi0q"
    """``struct flock``: type, whence, start, length, process."""

    def _set(descriptor: int, kind: int, place: _Range) -> bool:
        flock = struct.pack(_FLOCK, kind, os.SEEK_SET, place.start, place.length, 0)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, flock)
        except OSError:
            # Taken; not open for writing; closed meanwhile; a file system without such locks.
            return False
        return True

    def _lock(descriptor: int, place: _Range) -> bool:
        return _set(descriptor, fcntl.F_RDLCK, place)

    def _bar(descriptor: int) -> bool:
        return _set(descriptor, fcntl.F_WRLCK, _PENDING)

    def _unlock(descriptor: int, place: _Range) -> None:
        _set(descriptor, fcntl.F_UNLCK, place)

else:

    def _lock(descriptor: int, place: _Range) -> bool:  # noqa: ARG001 - there are none
        return False

    def _bar(descriptor: int) -> bool:  # noqa: ARG001 - there are none
        return False

    def _unlock(descriptor: int, place: _Range) -> None:
        """Do nothing: there are no locks."""
