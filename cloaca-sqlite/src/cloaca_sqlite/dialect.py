"""SQLite for ``SqlStore``: one connection that writes and, for a file, one that reads.

So lists and histories never wait for a flush. A database in memory has only one connection, which
does both.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import time
from collections.abc import Callable, Collection, Coroutine, Generator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cloaca_core.errors import StoreError
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.dialect import Answers, More, Step, Then
from cloaca_core.values.payloads.json_values import encode
from cloaca_core.values.times.clock import Clock
from cloaca_sqlite.driver import WORDING, Connection, run_steps
from cloaca_sqlite.outbox import SqliteOutbox
from cloaca_sqlite.wakeups.announcements import Wakeups
from cloaca_sqlite.wakeups.changes import ChangeWatch

if TYPE_CHECKING:
    from cloaca_sqlite.transactions import SqliteTransactions

_LEAVING_S: Final = 0.5
"""How long ``close`` waits for the transaction that removes the row of this listener."""


_KEPT_FREE: Final = 8
"""One page of so many stays free: to give all back and to take them again would cost more."""
_NO_VACUUM: Final = 0
"""``auto_vacuum`` of a file that an earlier version made: its free pages are used again."""


class SqliteDialect:
    """An open, migrated SQLite database. Contracts: see ``Dialect``."""

    wording = WORDING
    sql_package = __package__
    most_keys: int | None = None

    def __init__(
        self,
        writer: Connection,
        reader: Connection | None,
        poll_interval: float,
        outbox: SqliteOutbox,
        *,
        writable: bool,
        clock: Clock,
        wakeups: Wakeups | None = None,
        transactions: Callable[[], SqliteTransactions] | None = None,
    ) -> None:
        self.outbox = outbox
        self.transactions = transactions
        self.writable = writable
        self._clock = clock
        self.wall: Callable[[], int] = clock.wall
        self._writer = writer
        self._reader = reader
        self._wakeups = wakeups
        # No other connection can reach a database in memory: nothing to watch.
        watched = writer if reader is not None else None
        self._watch = ChangeWatch(watched, poll_interval, wakeups)

    def array(self, values: Collection[str | int]) -> object:
        """A JSON array, which statements unpack with ``json_each``."""
        return encode(list(values))

    def write(
        self,
        steps: Sequence[Step],
        *,
        urgent: bool = False,  # noqa: ARG002 - one connection writes; its queue is short
        on_commit: Callable[[Answers], None] | None = None,
        then: Then | None = None,
    ) -> Coroutine[Any, Any, Answers]:
        # No coroutine of its own, for speed: each step of a run comes here.
        if then is not None:
            return self._write_more(steps, then, on_commit)
        if self._wakeups is None or self._wakeups.has_no_part_in(steps):
            return self._writer.transact(partial(run_steps, steps=steps), on_commit)
        return self._write_noted(self._wakeups, steps, on_commit)

    async def _write_noted(
        self,
        wakeups: Wakeups,
        steps: Sequence[Step],
        on_commit: Callable[[Answers], None] | None,
    ) -> Answers:
        """Run a transaction of which other processes are notified."""
        added, added_answers = wakeups.within(steps), Answers()

        def work(raw: sqlite3.Connection) -> Answers:
            answers = run_steps(raw, steps)
            if added:
                added_answers[:] = run_steps(raw, added)
            return answers

        answers = await self._writer.transact(work, on_commit)
        wakeups.wrote(steps, added, added_answers)
        return answers

    async def _write_more(
        self, steps: Sequence[Step], then: Then, on_commit: Callable[[Answers], None] | None
    ) -> Answers:
        """Run a transaction that decides about its last steps."""
        wakeups = self._wakeups
        added = () if wakeups is None else wakeups.within(steps)
        everything: list[Step] = []
        added_answers = Answers()

        def work(raw: sqlite3.Connection) -> Answers:
            answers = run_steps(raw, steps)
            everything[:] = [*steps, *_more_steps(raw, then(self._clock.wall(), answers))]
            added_answers[:] = run_steps(raw, added)
            return answers

        answers = await self._writer.transact(work, on_commit)
        if wakeups is not None:
            wakeups.wrote(everything, added, added_answers)
        return answers

    async def write_apart(
        self,
        steps: Sequence[Step],
        key: str,  # noqa: ARG002 - one transaction writes at a time: no other can hold the key
    ) -> Answers:
        """Do the same as ``write``."""
        return await self.write(steps)

    async def read(self, steps: Sequence[Step]) -> Answers:
        connection = self._reader or self._writer
        return await connection.call(lambda raw: _read(raw, steps))

    def lease_clock(self) -> int:
        """The time since boot, which counts on while the host sleeps and cannot be set."""
        return boot_time()

    @property
    def lease_ends_with_boot(self) -> bool:
        """True: the clock is the time since boot."""
        return True

    async def now(self) -> int:
        """The machine's clock, the same for all processes that share a file."""
        return self._clock.wall()

    async def identity(self) -> str | None:
        """The number of the file on its disk: several paths may lead to it."""
        return None if self._reader is None else _number_of(self._writer.path)

    async def give_back(self, limit: int) -> int | None:
        """Cut free pages off the end of the file, but for an eighth of it, which new rows take."""
        return await self._writer.transact(lambda raw: _cut_off(raw, limit))

    async def wait_changed(self) -> Change:
        if self._wakeups is not None:
            self._wakeups.listen()
            if self._wakeups.is_to_be_noted:
                with suppress(StoreError):  # the file is polled; the next transaction notes it
                    await self.write(())
        return await self._watch.wait()

    def set_watched(self, *, watched: bool) -> None:
        self._watch.set_watched(watched=watched)

    def set_contended(self, *, contended: bool) -> None:
        self._writer.set_contended(contended=contended)

    def on_connected(self, connected: Callable[[], None]) -> None:
        """Do nothing: a file has no server."""

    async def close(self) -> None:
        self._watch.stop()
        if self._wakeups is not None:
            await self._leave(self._wakeups)
        # The writer last: the last connection to close moves the log into the file.
        if self._reader is not None:
            await self._reader.close()
        await self._writer.close()

    async def _leave(self, wakeups: Wakeups) -> None:
        """Remove the row of a store that listened, if that is done soon: others remove it else."""
        wakeups.leave()
        if wakeups.is_to_be_forgotten:
            with suppress(StoreError, TimeoutError):
                async with asyncio.timeout(_LEAVING_S):
                    await self.write(())
        wakeups.close()


def _number_of(path: str) -> str | None:
    """The numbers of a disk and of a file on it; None when the file is not there any more."""
    with suppress(FileNotFoundError):
        found = Path(path).stat()
        return f"{found.st_dev} {found.st_ino}"
    return None


def _more_steps(
    connection: sqlite3.Connection, deciding: Generator[More, Answers, None]
) -> list[Step]:
    """Run the further steps of a transaction, and return them."""
    done: list[Step] = []
    with suppress(StopIteration):
        more = next(deciding)
        while True:
            answers = run_steps(connection, more.steps)
            done += more.steps
            more = deciding.send(answers)
    return done


def _read(connection: sqlite3.Connection, steps: Sequence[Step]) -> Answers:
    """Run several steps in one transaction, for one snapshot; a single step needs none."""
    if len(steps) == 1:
        return run_steps(connection, steps)
    connection.execute("BEGIN")
    try:
        return run_steps(connection, steps)
    finally:
        connection.execute("COMMIT")


def _cut_off(connection: sqlite3.Connection, limit: int) -> int | None:
    """Move up to ``limit`` pages; the bytes by which the file shrinks, None if it cannot."""
    ((mode,),) = connection.execute("PRAGMA auto_vacuum").fetchall()
    if mode == _NO_VACUUM:
        return None
    ((before,),) = connection.execute("PRAGMA page_count").fetchall()
    ((free,),) = connection.execute("PRAGMA freelist_count").fetchall()
    spare = min(limit, free - before // _KEPT_FREE)
    if spare <= 0:
        return 0
    for _ in range(spare):
        # One page each: this statement has a row without a column for each page, and the driver
        # takes a statement without columns for done after its first step.
        connection.execute("PRAGMA incremental_vacuum(1)")
    ((after,),) = connection.execute("PRAGMA page_count").fetchall()
    ((size,),) = connection.execute("PRAGMA page_size").fetchall()
    return int((before - after) * size)


if sys.platform == "linux":

    def _boot_time_ns() -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

else:
    # This clock stops while the host sleeps: leases then last longer, which is safe.
    _boot_time_ns = time.monotonic_ns


def boot_time() -> int:
    """The time since boot, in µs."""
    return _boot_time_ns() // 1000
