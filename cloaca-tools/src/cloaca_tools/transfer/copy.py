"""``copy_database``: all tables of one database into another, of any backend.

Rows stay as they are: ids, keys, rounds, memos, messages, schedules. A copy that was broken off
goes on where it stopped, since tables are written in the order of their keys: the target's last key
tells how far it came, and checksums tell whether it holds the beginning of this source.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from cloaca_core.engine.runtime.loop_thread import run_on_own_loop
from cloaca_core.errors import ConfigError, StoreError, TransferError
from cloaca_core.store.tables import TABLES, Key, Table
from cloaca_tools.transfer.in_flight import (
    Pauses,
    firing_schedules,
    pause_workflows,
    refuse_alive,
    refuse_ending_pauses,
    refuse_held,
    refuse_in_flight,
    resume_workflows,
    unpaused,
)
from cloaca_tools.transfer.opened import Place
from cloaca_tools.transfer.pages import pages
from cloaca_tools.transfer.sums import TableSum

if TYPE_CHECKING:
    from cloaca_core.assembly.store import TransferStore
    from cloaca_core.features.transfer.part import Transfer

Phase: TypeAlias = Literal["compare", "copy", "verify"]


@dataclass(frozen=True, slots=True)
class CopyProgress:
    """So many rows of this table have been done in this phase."""

    phase: Phase
    table: str
    rows: int


@dataclass(frozen=True, slots=True)
class TableCopy:
    """A table that is the same in both databases. ``copied`` of its ``rows`` were written by this
    call, the others by an earlier one.
    """

    table: str
    rows: int
    copied: int
    checksum: str


@dataclass(frozen=True, slots=True)
class CopyReport:
    """``paused`` are the workflows that were paused for the copy, in both databases. ``schedules``
    are the names, else the ids, of those that are enabled and whose workflows are not paused: they
    fire in each of the two databases that has a runner.
    """

    tables: tuple[TableCopy, ...]
    paused: tuple[str, ...] = ()
    schedules: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(each.rows for each in self.tables)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "tables": [
                {
                    "table": each.table,
                    "rows": each.rows,
                    "copied": each.copied,
                    "checksum": each.checksum,
                }
                for each in self.tables
            ],
            "paused": list(self.paused),
            "schedules": list(self.schedules),
        }


Progress: TypeAlias = Callable[[CopyProgress], object]


def copy_database(
    source_url: str | PathLike[str],
    target_url: str | PathLike[str],
    *,
    paused: bool = False,
    allow_runners: bool = False,
    source_schema: str | None = None,
    target_schema: str | None = None,
    progress: Progress = lambda _: None,
) -> CopyReport:
    """Copy all tables into a database that is empty, or that holds the beginning of this copy.

    If it is broken off, call it again: it goes on where it stopped. In the end both databases are
    read and compared, row by row. ``progress`` is called after each batch, on another thread.

    Stop the runners of both databases before. Those of the source that are alive are refused
    (``TransferError``), unless ``allow_runners``; those of the target in any case. Runs that have
    not ended are refused (``RunsInFlightError``), unless ``paused``: then their workflows, and
    those of enabled schedules, are paused in the source, and so in the copy; ``resume_workflow``
    lets them go on, in one of the two databases. Those that are paused until an instant are refused
    (``TransferError``): both databases would go on with them then. Runs that a runner holds are
    refused in any case. Raises ``TransferError`` when the target holds something else, or the
    source was changed meanwhile, and ``ConfigError`` when both are the same database, also by
    different URLs. A copy that is refused leaves no workflow paused.
    """
    source, target = Place.of(source_url, source_schema), Place.of(target_url, target_schema)
    copying = _copy(source, target, progress, paused=paused, allow_runners=allow_runners)
    return run_on_own_loop(copying)


def workflows_to_pause(
    database_url: str | PathLike[str], *, schema: str | None = None
) -> Sequence[str]:
    """The full names of the workflows that a copy with ``paused`` pauses and that go on now."""
    return run_on_own_loop(_to_pause(Place.of(database_url, schema)))


async def _to_pause(source: Place) -> Sequence[str]:
    async with source.opened(read_only=True) as store:
        return await unpaused(store)


async def _copy(
    source: Place, target: Place, progress: Progress, *, paused: bool, allow_runners: bool
) -> CopyReport:
    async with source.opened(read_only=True) as old:  # refused if it is of an earlier version
        if source.backend is target.backend:
            await _refuse_itself(old, target)
        if not allow_runners:
            await refuse_alive(old)
        await _refuse_at_work(old, paused=paused)
        async with target.opened() as new:
            await _refuse_runners(new)
            copy = _Copy(old.transfer(), new.transfer(), progress)
            last = await copy.compared()
            async with _held(source, old) if paused else nullcontext(Pauses()) as held:
                if held.made:  # the target may have a pause that comes after one of these
                    last = await copy.compared()
                copied = await copy.completed(last)
            if (await old.upkeep()).keeps_all:
                await new.transfer().keep_all()
        firing = await firing_schedules(old)
    return CopyReport(copied, held.workflows, tuple(firing))


async def _refuse_itself(old: TransferStore, target: Place) -> None:
    """Raise ``ConfigError`` if the target is the source. It is only looked at: none is made for a
    copy that may be refused for another reason.
    """
    ours, theirs = await old.transfer().identity(), None
    with suppress(StoreError):  # it is not there yet, or it is refused when it is opened to write
        async with target.opened(read_only=True) as new:
            theirs = await new.transfer().identity()
    if ours is not None and ours == theirs:
        raise ConfigError(
            "source and target are the same database: name another target", field="target_url"
        )


async def _refuse_at_work(old: TransferStore, *, paused: bool) -> None:
    """Raise ``TransferError`` if runs of the source have not ended, or cannot be paused."""
    if not paused:
        await refuse_in_flight(old)
        return
    await refuse_held(old)
    await refuse_ending_pauses(old)


@asynccontextmanager
async def _held(source: Place, old: TransferStore) -> AsyncIterator[Pauses]:
    """Pause the workflows of the source. When the copy is refused nevertheless, those that were
    paused here go on; when it is broken off they stay paused, for the call that goes on with it.
    """
    async with source.opened() as writable:
        pauses = await pause_workflows(writable)
    try:
        await refuse_held(old)  # a runner may have claimed some before
        yield pauses
    except TransferError:
        async with source.opened() as writable:
            await resume_workflows(writable, pauses.made)
        raise


async def _refuse_runners(store: TransferStore) -> None:
    if found := await store.runners():
        named = ", ".join(each.id for each in found)
        raise TransferError(f"runners are registered in the target: {named}; stop them first")


class _Copy:
    def __init__(self, old: Transfer, new: Transfer, progress: Progress) -> None:
        self._old = old
        self._new = new
        self._progress = progress

    async def compared(self) -> dict[str, Key | None]:
        """The last key of each table that the target has; ``TransferError`` if it is no beginning
        of a copy of the source.
        """
        return {table.name: await self._compared(table) for table in TABLES}

    async def completed(self, last: Mapping[str, Key | None]) -> tuple[TableCopy, ...]:
        """Copy what is missing after these keys; in the end compare everything."""
        copied = {table.name: await self._copied(table, last[table.name]) for table in TABLES}
        return tuple([await self._verified(table, copied) for table in TABLES])

    async def _compared(self, table: Table) -> Key | None:
        """The last key that the target has, if its rows are the first of the source. Tables that
        may have other rows begin anew then.
        """
        last = await self._new.last_key(table)
        if last is None:
            return None
        theirs = await self._summed(self._new, table, "compare")
        ours = await self._summed(self._old, table, "compare", until=last)
        if theirs != ours and table.may_have_others:
            return None
        if theirs != ours:
            raise TransferError(
                f"the target has other rows in cloaca_{table.name}: it is neither empty nor the "
                "beginning of a copy of this source"
            )
        return last

    async def _copied(self, table: Table, after: Key | None) -> int:
        """Write the rows after a key; how many."""
        rows = 0
        async for page in pages(self._old, table, after):
            await self._new.put(table, page)
            rows += len(page)
            self._progress(CopyProgress("copy", table.name, rows))
        return rows

    async def _verified(self, table: Table, copied: Mapping[str, int]) -> TableCopy:
        ours, theirs = await asyncio.gather(
            self._summed(self._old, table, "verify"), self._summed(self._new, table, "verify")
        )
        if ours != theirs and not table.may_have_others:
            raise TransferError(
                f"cloaca_{table.name} has {ours.rows} rows in the source and {theirs.rows} in the "
                "target, which differ: one of them was changed meanwhile. Stop their runners, and "
                "copy into an empty database"
            )
        return TableCopy(table.name, ours.rows, copied[table.name], ours.text)

    async def _summed(
        self, transfer: Transfer, table: Table, phase: Phase, until: Key | None = None
    ) -> TableSum:
        """The sum of a table's rows, up to a key."""
        found = TableSum()
        async for page in pages(transfer, table):
            counted = page if until is None else [row for row in page if table.key_of(row) <= until]
            found.add(counted)
            self._progress(CopyProgress(phase, table.name, found.rows))
            if len(counted) < len(page):
                break
        return found
