"""The one writer of facts about runs: gathers entries, commits them as a group, then acts on them.

Entries that arrive during a commit go into the next one, so a thousand runs share a commit and a
lone run pays one per step. No accepted entry is dropped: an unavailable database is tried again
until it answers, and a batch that fails because of one value is divided until only the entry with
that value is refused. Knows nothing of tasks and retries.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Final

from cloaca_core._engine.record.batching import (
    adds_work,
    batch_of,
    landing,
    lasts,
    refuse,
    refuse_new_work,
    settle,
    take,
)
from cloaca_core._engine.record.riders import NO_RIDERS, Riders
from cloaca_core._engine.record.telling import tell_of_commit
from cloaca_core._engine.runtime import failpoints
from cloaca_core.errors import StoreDataError, StoreError
from cloaca_core.logs import SafeLogger
from cloaca_core.values.backoff import Backoff

if TYPE_CHECKING:
    from cloaca_core._engine.record.entries import Decision, Entry
    from cloaca_core._engine.record.log_book import AttemptLines, LogBook
    from cloaca_core._engine.record.start_marks import StartMarks
    from cloaca_core._engine.recover.runner_id import RunnerId
    from cloaca_core.records.batch import Batch, Committed
    from cloaca_core.store.protocol import Landed, Store
    from cloaca_core.telemetry.watcher import Watcher

log = SafeLogger("cloaca.journal")

MAX_INBOX_ENTRIES: Final = 20_000
MAX_INBOX_BYTES: Final = 64 << 20
MARK_DELAY: Final = 0.05
"""Seconds after which start marks get a commit of their own, if no other commit took them."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0


class Journal:
    """Group commit. All methods belong to the engine's loop.

    Each commit takes the start marks that are due, and the lines that wait. ``writing`` is held
    from the making of a batch until all its entries have been told the outcome. ``watchers`` are
    told of each commit.
    """

    def __init__(
        self,
        store: Store,
        runner_id: RunnerId,
        start_marks: StartMarks,
        log_book: LogBook | None = None,
    ) -> None:
        self.failure: Exception | None = None
        self.writing: asyncio.Lock = asyncio.Lock()
        self.watchers: list[Watcher] = []
        self._store = store
        self._runner_id = runner_id
        self._most_keys: float = inf if store.most_keys is None else store.most_keys
        self._inbox: deque[Entry] = deque()
        self._bytes = 0
        self._start_marks = start_marks
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._room = asyncio.Event()
        self._room.set()
        self._mark_timer: asyncio.TimerHandle | None = None
        self._riders_due = False
        self._log_book = log_book
        if log_book is not None:
            log_book.due = self.write_soon

    # -- producers ---------------------------------------------------------------------------

    def add(self, entry: Entry) -> None:
        """Take an entry; it is told the outcome, unless ``forget_runs`` comes first."""
        self._inbox.append(entry)
        self._bytes += entry.weight
        self._measure()
        self._wake()

    async def decide(self, decision: Decision) -> None:
        """Take a decision once there is room; returns when it is settled."""
        if not self.has_room():
            await self.room()
        self.add(decision)
        await decision.done

    def mark_soon(self) -> None:
        """A body was sent to the executor: commit its start mark soon."""
        if self._mark_timer is None:
            loop = asyncio.get_running_loop()
            self._mark_timer = loop.call_later(MARK_DELAY, self._mark)

    def _mark(self) -> None:
        self._mark_timer = None
        self.write_soon()

    def write_soon(self) -> None:
        """Commit what rides with commits, also if there is nothing else."""
        self._riders_due = True
        self._wake()

    def has_room(self) -> bool:
        """False while producers should wait."""
        return self._room.is_set()

    async def room(self) -> None:
        """Return when the inbox takes more."""
        await self._room.wait()

    async def drained(self) -> None:
        """Return when everything that was added has been committed."""
        await self._idle.wait()

    def forget_runs(self) -> None:
        """Drop all records of runs: the runs are not ours any more. Other entries stay:
        submissions become runs without an owner.
        """
        self._keep([entry for entry in self._inbox if not entry.is_of_run])
        if self._log_book is not None:
            self._log_book.forget()

    def _keep(self, entries: Sequence[Entry]) -> None:
        self._inbox = deque(entries)
        self._bytes = sum([entry.weight for entry in entries])
        self._measure()

    def _measure(self) -> None:
        """Update whether there is room, after each change of the inbox."""
        if len(self._inbox) < MAX_INBOX_ENTRIES and self._bytes < MAX_INBOX_BYTES:
            self._room.set()
        else:
            self._room.clear()

    def _wake(self) -> None:
        self._idle.clear()
        self._work.set()

    # -- the one consumer --------------------------------------------------------------------

    async def turn(self) -> None:
        """Wait for something to commit, and commit it."""
        await self._work.wait()
        async with self.writing:
            entries, riders = self._take()
            if entries or riders.are_any:
                await self._write(entries, riders)
        if not (self._inbox or self._riders_due):
            self._work.clear()
            self._idle.set()

    def _take(self) -> tuple[list[Entry], Riders]:
        entries, weight = take(self._inbox, self._most_keys)
        self._bytes -= weight
        self._measure()
        self._riders_due = False
        marks = self._start_marks.take()
        lines = () if self._log_book is None else self._log_book.take()
        if self._start_marks.are_coming:
            self.mark_soon()
        return entries, Riders(marks, lines) if marks or lines else NO_RIDERS

    async def _write(self, entries: list[Entry], riders: Riders) -> None:
        """Commit these, trying until it works, and tell each entry the outcome."""
        began = asyncio.get_running_loop().time() if self.watchers else 0.0
        try:
            batch = batch_of(self._runner_id.current, entries, riders)
            committed = await self._commit(batch, landing(entries))
        except StoreDataError as error:
            await self._divide(entries, riders, error)
        except StoreError as error:
            if (rest := refuse_new_work(entries, error)) or riders.are_any:
                await self._write(rest, riders)
        else:
            if self.watchers:
                self._tell(entries, committed, began)
            for entry in entries:
                settle(entry, committed)

    def _tell(self, entries: Sequence[Entry], committed: Committed, began: float) -> None:
        """Tell those who watch, before the entries go on and change what they are about."""
        seconds = asyncio.get_running_loop().time() - began
        tell_of_commit(self.watchers, entries, committed, seconds, self._store.wall())

    async def _commit(self, batch: Batch, landed: Landed | None) -> Committed:
        """Try until the database answers. The same batch again is harmless.

        While it fails in a way that will last, entries that add work are refused, also those that
        come meanwhile; records of work that is done are kept.
        """
        backoff: Backoff | None = None
        while True:
            failpoints.hit("journal.before_commit")
            try:
                committed = await self._store.commit(batch, landed)
            except StoreDataError:
                raise
            except Exception as error:
                backoff = backoff or Backoff(FIRST_PAUSE, LONGEST_PAUSE)
                log.warning("commit failed, trying again in %.2f s: %s", backoff.pause, error)
                self.failure = error
                if isinstance(error, StoreError) and lasts(error):
                    self._keep(refuse_new_work(self._inbox, error))
                    if adds_work(batch):
                        raise
                await backoff.wait()
            else:
                self.failure = None
                if landed is None:
                    failpoints.hit("journal.after_commit")
                return committed

    async def _divide(self, entries: list[Entry], riders: Riders, error: StoreDataError) -> None:
        """Find the value that failed the batch by halving; riders do not fail entries."""
        if entries and riders.are_any:
            await self._write_lines(riders.lines)
            await self._write(entries, NO_RIDERS)
        elif riders.lines:
            await self._divide_lines(riders.lines, error)
        elif len(entries) == 1:
            refuse(entries[0], error)
        elif entries:
            middle = len(entries) // 2
            await self._write(entries[:middle], NO_RIDERS)
            await self._write(entries[middle:], NO_RIDERS)

    async def _write_lines(self, lines: Sequence[AttemptLines]) -> None:
        """Commit lines alone, before the ends of their runs, after which none are taken."""
        if lines:
            await self._write([], Riders(lines=lines))

    async def _divide_lines(self, lines: Sequence[AttemptLines], error: StoreDataError) -> None:
        """Leave out those of the attempt that cannot be stored."""
        if len(lines) == 1:
            log.error("lines that run %s has logged are not kept: %s", lines[0].run_id, error)
            return
        middle = len(lines) // 2
        await self._write_lines(lines[:middle])
        await self._write_lines(lines[middle:])
