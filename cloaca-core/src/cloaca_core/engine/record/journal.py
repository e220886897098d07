"""The one writer of facts about runs: gathers entries, commits them as a group, then acts on them.

Entries that arrive during a commit go into the next one, so a thousand runs share a commit and a
lone run pays one per step. No accepted entry is dropped: an unavailable database is tried again
until it answers, and a batch that fails because of one value is divided until only the entry with
that value is refused. After any other error the next turn goes on with what was not committed. If
an entry cannot be told its outcome, its caller or its run would wait for ever: then the engine
ends. Knows nothing of tasks and retries.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence, Sized
from math import inf
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from cloaca_core.engine.record.entries import (
    adds_work,
    batch_of,
    fitting,
    halves,
    landing,
    lasts,
)
from cloaca_core.engine.record.telling import tell_of_commit
from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import StoreDataError, StoreError
from cloaca_core.logs import SafeLogger
from cloaca_core.values.times.backoff import Backoff

if TYPE_CHECKING:
    from cloaca_core.engine.record.attempt_rows import StartMarks
    from cloaca_core.engine.record.entries import Decision, Entry, Rider
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.run.watcher import Watcher
    from cloaca_core.store.batch import Batch, Committed
    from cloaca_core.store.protocol import KernelStore
    from cloaca_core.store.runs import Landed

log = SafeLogger("cloaca.journal")

MAX_INBOX_ENTRIES: Final = 20_000
MAX_INBOX_BYTES: Final = 64 << 20
MARK_DELAY: Final = 0.05
"""Seconds after which start marks get a commit of their own, if no other commit took them."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0

Part: TypeAlias = "tuple[Sequence[Entry], Sequence[AttemptRow], Sequence[Rider]]"
"""Entries that are committed together, with the start marks and the lines that ride with them."""


class Riders(Protocol):
    """Has rows of a feature that wait for a commit, and asks for one if none comes soon."""

    due: Callable[[], None]

    @property
    def waiting(self) -> Sized:
        """Empty while nothing waits, as nearly always."""

    def take(self) -> Sequence[Rider]:
        """Take what waits."""

    def forget(self) -> None:
        """Drop what waits: no run is ours any more."""


class Journal:
    """Group commit. All methods belong to the engine's loop.

    Each commit takes the start marks that are due, and the lines that wait. ``writing`` is held
    from the making of a batch until all its entries have been told the outcome. ``watchers`` are
    told of each commit. ``broken`` is called with the reason when an entry cannot be told its
    outcome. ``_parts`` were taken from the inbox and are not committed yet, ``_refusals`` are the
    entries that are still to be told an error. An entry moves on in one assignment, so that an
    error between two of them loses none.
    """

    def __init__(
        self,
        store: KernelStore,
        runner_id: RunnerId,
        start_marks: StartMarks,
        log_book: Riders | None = None,
        broken: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.failure: Exception | None = None
        self.writing: asyncio.Lock = asyncio.Lock()
        self.watchers: list[Watcher] = []
        self._store = store
        self._runner_id = runner_id
        self._most_keys: float = inf if store.most_keys is None else store.most_keys
        self._inbox: deque[Entry] = deque()
        self._bytes = 0
        self._parts: list[Part] = []
        self._refusals: list[tuple[Entry, StoreError]] = []
        self._lines: Sequence[Rider] = ()
        self._is_second_try = False
        self._broken = broken
        self._start_marks = start_marks
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._room = asyncio.Event()
        self._room.set()
        self._is_awake = self._is_full = False
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
        if self._bytes >= MAX_INBOX_BYTES or len(self._inbox) >= MAX_INBOX_ENTRIES:
            self._measure()
        if not self._is_awake:
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
        if not self._is_awake:
            self._wake()

    def has_room(self) -> bool:
        """False while producers should wait."""
        return not self._is_full

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
        kept = deque([entry for entry in self._inbox if not entry.is_of_run])
        self._inbox, self._bytes = kept, sum([entry.weight for entry in kept])
        if self._log_book is not None:
            self._log_book.forget()
        self._measure()

    def _measure(self) -> None:
        """Update whether there is room, after the inbox has become full or smaller."""
        if len(self._inbox) < MAX_INBOX_ENTRIES and self._bytes < MAX_INBOX_BYTES:
            self._is_full = False
            self._room.set()
        else:
            self._is_full = True
            self._room.clear()

    def _wake(self) -> None:
        self._is_awake = True
        self._idle.clear()
        self._work.set()

    # -- the one consumer --------------------------------------------------------------------

    async def turn(self) -> None:
        """Wait for something to commit, and commit it. After an error the next turn goes on with
        the parts that this one has not committed.
        """
        await self._work.wait()
        async with self.writing:
            if self._refusals:
                self._refuse()
            if not self._parts:
                self._take()
            if self._is_full:
                self._measure()
            while self._parts:
                await self._write(*self._parts[0])
        if not (self._inbox or self._riders_due):
            self._is_awake = False
            self._work.clear()
            self._idle.set()

    def _take(self) -> None:
        """Take a part from the inbox. Start marks come last: what they say of a body must not be
        older than the entries that they ride with. Nothing raises after that.
        """
        self._riders_due = self._is_second_try = False
        entries, weight = fitting(self._inbox, self._most_keys)
        if self._start_marks.are_coming:
            self.mark_soon()
        if self._log_book is not None and self._log_book.waiting:
            self._lines = self._lines or self._log_book.take()
        part = (entries, self._start_marks.take(), self._lines)
        self._parts = [part] if any(part) else []
        self._lines = ()
        self._bytes -= weight
        for _ in entries:
            self._inbox.popleft()

    async def _write(
        self,
        entries: Sequence[Entry],
        marks: Sequence[AttemptRow],
        lines: Sequence[Rider],
    ) -> None:
        """Commit the first part, trying until it works, and tell each entry the outcome."""
        began = asyncio.get_running_loop().time() if self.watchers else 0.0
        try:
            batch = batch_of(self._runner_id.current, entries, marks, lines)
            landed = landing(entries)
        except Exception as error:  # noqa: BLE001 - it is raised, or an entry is refused for it
            self._find_flaw(error)
            return
        try:
            committed = await self._commit(batch, landed)
        except StoreDataError as error:
            self._divide(entries, marks, lines, error)
        except StoreError as error:
            self._refuse_new_work(entries, marks, lines, error)
        else:
            if self.watchers:
                self._tell(entries, committed, began)
            del self._parts[0]
            for entry in entries:
                try:
                    entry.settled(committed)
                except Exception as fault:
                    log.exception("acting on a committed record failed")
                    self._break_down(fault)

    def _tell(self, entries: Sequence[Entry], committed: Committed, began: float) -> None:
        """Tell those who watch, before the entries go on and change what they are about."""
        try:
            seconds = asyncio.get_running_loop().time() - began
            tell_of_commit(self.watchers, entries, committed, seconds, self._store.wall())
        except Exception:
            log.exception("metrics or traces were not told of a commit")

    async def _commit(self, batch: Batch, landed: Landed | None) -> Committed:
        """Try until the database answers. The same batch again is harmless.

        While it fails in a way that will last, entries that add work are refused, also those that
        come meanwhile; records of work that is done are kept.
        """
        backoff: Backoff | None = None
        while True:
            if failpoints.watches:
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
                    self._refuse_newcomers(error)
                    if adds_work(batch):
                        raise
                await backoff.wait()
            else:
                self.failure = None
                if landed is None and failpoints.watches:
                    failpoints.hit("journal.after_commit")
                return committed

    # -- refuse ------------------------------------------------------------------------------

    def _refuse_newcomers(self, error: StoreError) -> None:
        """Refuse the entries of the inbox that would add work."""
        kept = deque([entry for entry in self._inbox if entry.is_of_run])
        refusals = [(entry, error) for entry in self._inbox if not entry.is_of_run]
        weight = sum([entry.weight for entry in kept])
        self._inbox, self._bytes, self._refusals = kept, weight, self._refusals + refusals
        self._refuse()
        self._measure()

    def _refuse_new_work(
        self,
        entries: Sequence[Entry],
        marks: Sequence[AttemptRow],
        lines: Sequence[Rider],
        error: StoreError,
    ) -> None:
        """Refuse the entries of the first part that would add work; the others stay."""
        rest = ([entry for entry in entries if entry.is_of_run], marks, lines)
        refusals = [(entry, error) for entry in entries if not entry.is_of_run]
        self._parts[:1], self._refusals = [rest] if any(rest) else [], self._refusals + refusals
        self._refuse()

    def _find_flaw(self, error: Exception) -> None:
        """No batch can be made of the first part: try again in the next turn, then divide it, for
        an entry is at fault.
        """
        if not self._is_second_try:
            self._is_second_try = True
            raise error
        self._divide(*self._parts[0], StoreDataError(f"no row can be made of a record: {error!r}"))

    def _divide(
        self,
        entries: Sequence[Entry],
        marks: Sequence[AttemptRow],
        lines: Sequence[Rider],
        error: StoreDataError,
    ) -> None:
        """Find the value that failed the first part by halving; marks and lines do not fail
        entries. Lines go first: none are taken after the end of their run.
        """
        parts: list[Part]
        if entries and (marks or lines):
            parts = [(entries, [], [])]
            if lines:
                parts.insert(0, ([], [], lines))
        elif len(entries) > 1:
            parts = [(half, [], []) for half in halves(entries)]
        elif len(lines) > 1:
            parts = [([], [], half) for half in halves(lines)]
        else:
            parts = []
        refusals: list[tuple[Entry, StoreError]] = []
        if not parts:
            refusals = [(entry, error) for entry in entries]
        self._parts[:1], self._refusals = parts, self._refusals + refusals
        self._refuse()
        for each in () if parts else lines:
            log.error("lines that run %s has logged are not kept: %s", each.run_id, error)

    def _refuse(self) -> None:
        """Tell entries that they are refused; an error of one must not reach the others."""
        while self._refusals:
            entry, error = self._refusals.pop(0)
            try:
                entry.refused(error)
            except Exception as fault:
                log.exception("acting on a refused record failed")
                self._break_down(fault)

    def _break_down(self, fault: Exception) -> None:
        """End the engine: a run stands still, or a caller waits for an answer that never comes."""
        self._broken(f"the runner has broken down: it could not act on a record: {fault!r}")
