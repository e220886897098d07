"""The connections of one store to its file, which reconnect together when its log is lost.

All connections of a process to one file share an index in SQLite. While one with a lost index is
open, a new connection gets that index too; so all are closed before the first is opened again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol, assert_never

from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.logs import SafeLogger
from cloaca_sqlite.files.file_connection import FileConnection, Folding
from cloaca_sqlite.files.open_files import OPEN_FILES

log: Final = SafeLogger("cloaca.sqlite")

_SAVED: Final = (
    "%s: the -wal or -shm file beside it was deleted while it was open. Nothing is lost: all that"
    " was committed is in the file, which is opened anew"
)
_UNSAVED: Final = (
    "%s: the -wal or -shm file beside it was replaced while it was open. The file is opened anew;"
    " commits that had not been moved from the log into the file may be lost"
)
_READ: Final = "%s: the log beside it was replaced; the file, which is only read, is opened anew"


class Member(Protocol):
    """A connection of a store. All of it works on the connection's thread, but for ``raw``."""

    @property
    def raw(self) -> FileConnection:
        """The underlying connection; a new one after each reconnect."""

    async def fold(self) -> Folding:
        """Move a lost log's content into the file, before the connection is abandoned."""

    async def abandon(self) -> None:
        """Close the underlying connection and leave the file as it is."""

    async def open_again(self) -> None:
        """Connect again, if the connection was abandoned."""


class Siblings:
    """``members`` are opened in this order; the first one writes, if any does."""

    def __init__(self, members: Sequence[Member]) -> None:
        self._members = members
        self._renewing = asyncio.Lock()

    async def renew(self, member: Member, lost: FileConnection) -> None:
        """Open all of them again, unless that was done since ``member`` used ``lost``.

        A ``StoreError`` says why that is impossible now; the next operation tries again.
        """
        async with self._renewing:
            if member.raw is not lost:
                return
            if any(each.raw.has_lost_log() for each in self._members):
                await self._abandon()
            closed = [each for each in self._members if not each.raw.is_open]
            if len(closed) == len(self._members):
                _refuse_lost_index(self._members[0].raw)
            for each in closed:
                await each.open_again()

    async def _abandon(self) -> None:
        writer = self._members[0]
        became = await writer.fold()
        if writer.raw.is_open:  # else a caller that was cancelled has closed it
            _refuse_to_abandon(writer.raw, became)
            _tell(writer.raw, became)
        for each in self._members:
            await each.abandon()


def _tell(raw: FileConnection, became: Folding) -> None:
    if raw.read_only:
        log.info(_READ, raw.place)
    elif became is Folding.DONE:
        log.warning(_SAVED, raw.place)
    else:
        log.error(_UNSAVED, raw.place)


def _refuse_to_abandon(raw: FileConnection, became: Folding) -> None:
    """Keep a connection open if it is the only way to data of the lost log."""
    if raw.log is None:
        return
    match became:
        case Folding.LATER:
            raise StoreUnavailableError(
                f"{_lost(raw)}, and what was in it cannot be written to the file now",
                database=raw.place,
            )
        case Folding.NEVER:
            if raw.log.are_parted():
                raise StoreError(
                    f"{_lost(raw)}, but not both: stop every program that has the file open, then"
                    " start again",
                    database=raw.place,
                )
        case Folding.DONE:  # fold again at the next try, with later commits of others
            if raw.file is not None and raw.log.descriptors_here() > OPEN_FILES.count(raw.file):
                raise _used_by_others(raw)
        case other:
            assert_never(other)


def _refuse_lost_index(raw: FileConnection) -> None:
    """Raise while another connection of this process has the index of the lost log open."""
    if raw.log is None or not raw.log.are_used_here():
        return
    if raw.file is not None and OPEN_FILES.count(raw.file):  # that connection will notice by itself
        raise StoreUnavailableError(
            f"{_lost(raw)}, and another runner of this program still uses what was there",
            database=raw.place,
        )
    raise _used_by_others(raw)


def _used_by_others(raw: FileConnection) -> StoreError:
    return StoreError(
        f"{_lost(raw)}, and another connection of this program still uses what was there: close"
        " your own connections to the file, and the runner goes on",
        database=raw.place,
    )


def _lost(raw: FileConnection) -> str:
    return f"{raw.place}: the -wal or -shm file beside it was deleted or replaced while it was open"
