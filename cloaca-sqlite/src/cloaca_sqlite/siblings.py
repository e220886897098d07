"""The connections of one store to its file, which begin anew together when its log is lost.

SQLite gives all connections of a process to one file the same index. While one of them is open,
another that is opened gets the lost one, so all are closed before the first is opened again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, assert_never

from cloaca_core.errors import StoreError, StoreUnavailableError
from cloaca_core.logs import SafeLogger
from cloaca_sqlite.file_connection import FileConnection, Folding
from cloaca_sqlite.open_files import OPEN_FILES

if TYPE_CHECKING:
    from cloaca_sqlite.driver import Connection

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


class Siblings:
    """``members`` in the order in which they are opened; the first one writes, if any does."""

    def __init__(self, members: list[Connection]) -> None:
        self._members = members
        self._renewing = asyncio.Lock()

    async def renew(self, member: Connection, lost: FileConnection) -> None:
        """Open all of them anew, unless that was done since ``member`` used ``lost``.

        A ``StoreError`` says why it cannot be had now; the next operation tries again.
        """
        async with self._renewing:
            if member.raw is not lost:
                return
            if any(each.raw.has_lost_log() for each in self._members):
                await self._abandon()
            closed = [each for each in self._members if not each.raw.is_open]
            if closed == self._members:
                _refuse_lost_index(self._members[0].raw)
            for each in closed:
                await each.open_again()

    async def _abandon(self) -> None:
        writer = self._members[0]
        became = await writer.fold()
        if writer.raw.is_open:  # else one began with this who does not wait any more
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
    """Keep a connection open that is the only way to something which is worth it."""
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
        case Folding.DONE:  # once more at the next try, with what others committed meanwhile
            if raw.file is not None and raw.log.descriptors_here() > OPEN_FILES.count(raw.file):
                raise _used_by_others(raw)
        case other:
            assert_never(other)


def _refuse_lost_index(raw: FileConnection) -> None:
    """Do not open it while another connection of this process keeps the index of the lost log."""
    if raw.log is None or not raw.log.are_used_here():
        return
    if raw.file is not None and OPEN_FILES.count(raw.file):  # which will notice by itself
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
