"""The one writer of facts about runs: collects entries, commits them as a group, then acts on them.

Entries that arrive during a commit go into the next one, so a thousand runs share a commit and a
lone run pays one for each step. No accepted entry is dropped. An unavailable database is tried
again until it answers. A batch that fails because of one value is divided until only the entry with
that value is refused. After any other error the next turn continues with the entries that were not
committed. If an entry cannot receive its outcome, its caller or its run would wait for ever: then
the engine ends. The journal knows nothing of tasks and retries.
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
    commit_callback,
    fitting,
    halves,
    lasts,
)
from cloaca_core.engine.record.watcher_reports import report_commit
from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import StoreDataError, StoreError
from cloaca_core.logs import SafeLogger
from cloaca_core.values.times.backoff import Backoff

if TYPE_CHECKING:
    from cloaca_core.engine.record.attempt_rows import StartMarks
    from cloaca_core.engine.record.entries import Decision, Entry, Rider
    from cloaca_core.engine.record.run_entry import SharedEntry
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.run.watcher import Watcher
    from cloaca_core.store.batch import Batch, Committed
    from cloaca_core.store.protocol import KernelStore
    from cloaca_core.store.runs import OnCommit

log = SafeLogger("cloaca.journal")

MAX_INBOX_ENTRIES: Final = 20_000
MAX_INBOX_BYTES: Final = 64 << 20
MARK_DELAY: Final = 0.05
"""Seconds after which start marks get a commit of their own, if no other commit took them."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0

Part: TypeAlias = "tuple[Sequence[Entry], Sequence[AttemptRow], Sequence[Rider]]"
"""Entries that are committed together, with start marks and riders."""


class Riders(Protocol):
    """Collects rows of a feature that wait for a commit, and calls ``due`` if none comes soon."""

    due: Callable[[], None]

    @property
    def waiting(self) -> Sized:
        """The waiting rows. Nearly always empty."""

    def take(self) -> Sequence[Rider]:
        """Take the waiting rows."""

    def forget(self) -> None:
        """Drop the waiting rows: this runner owns no run any more."""


class Journal:
    """Group commit. All methods belong to the engine's loop.

    Each commit takes the start marks that are due, and waiting riders. ``writing`` is held from the
    making of a batch until all its entries have received the outcome. ``watchers`` receive a report
    of each commit. ``broken`` is called with the reason when an entry cannot receive its outcome.
    ``taken`` counts how often entries have left the inbox. ``_parts`` were taken from the inbox and
    are not committed yet; ``_refusals`` are entries that must still receive an error. An entry
    moves on in one assignment, so that an error between two of them loses none.
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
        self._after_turn: Callable[[], None] | None = None
        self._store = store
        self._runner_id = runner_id
        self._most_keys: float = inf if store.most_keys is None else store.most_keys
        self._inbox: deque[Entry] = deque()
        self.taken: int = 0
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
        """Take an entry. It receives its outcome, unless ``forget_runs`` comes first."""
        self._inbox.append(entry)
        self._bytes += entry.weight
        if self._bytes >= MAX_INBOX_BYTES or len(self._inbox) >= MAX_INBOX_ENTRIES:
            self._measure()
        if not self._is_awake:
            self._wake()

    def join(self, entry: SharedEntry, row: AttemptRow) -> bool:
        """Add a row to an entry that waits for its commit. False if it takes no more."""
        if entry.closed or entry.taken != self.taken:
            return False
        self._bytes += entry.join(row)
        if self._bytes >= MAX_INBOX_BYTES:
            self._measure()
        return True

    async def decide(self, decision: Decision) -> None:
        """Take a decision once there is room. Returns when it is settled."""
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
        """Commit waiting riders, also if there is nothing else to commit."""
        self._riders_due = True
        if not self._is_awake:
            self._wake()

    def has_room(self) -> bool:
        """Whether the inbox takes more entries; otherwise producers should wait."""
        return not self._is_full

    async def room(self) -> None:
        """Return when the inbox takes more entries."""
        await self._room.wait()

    def after_turns(self, call: Callable[[], None] | None) -> None:
        """Call this after each turn from now on; None: call nothing."""
        self._after_turn = call

    async def drained(self) -> None:
        """Return when all added entries have been committed."""
        await self._idle.wait()

    def forget_runs(self) -> None:
        """Drop all records of runs: this runner no longer owns the runs. Other entries stay:
        submissions become runs without an owner.
        """
        kept = deque([entry for entry in self._inbox if not entry.is_of_run])
        self.taken += 1
        self._inbox, self._bytes = kept, sum([entry.weight for entry in kept])
        if self._log_book is not None:
            self._log_book.forget()
        self._measure()

    def _measure(self) -> None:
        """Update whether there is room, after the inbox has grown or shrunk."""
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
        """Wait for something to commit, and commit it. After an error the next turn continues with
        the parts that this turn has not committed.
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
                await self._write(self._parts[0])
        if not (self._inbox or self._riders_due):
            self._is_awake = False
            self._work.clear()
            self._idle.set()
        if self._after_turn is not None:
            self._after_turn()

    def _take(self) -> None:
        """Take a part from the inbox. Start marks come last: they must not be older than the
        entries that they are written with. Nothing raises after that.
        """
        self._riders_due = self._is_second_try = False
        entries, weight = fitting(self._inbox, self._most_keys)
        if self._log_book is not None and self._log_book.waiting:
            self._lines = self._lines or self._log_book.take()
        part = (entries, self._start_marks.take(), self._lines)
        if self._start_marks.are_coming:
            self.mark_soon()
        self._parts = [part] if any(part) else []
        self._lines = ()
        self._bytes -= weight
        self.taken += 1
        for _ in entries:
            self._inbox.popleft()

    async def _write(self, part: Part) -> None:
        """Commit the first part, trying until it succeeds, and give each entry its outcome."""
        entries, marks, lines = part
        began = asyncio.get_running_loop().time() if self.watchers else 0.0
        try:
            batch = batch_of(self._runner_id.current, entries, marks, lines)
            on_commit = commit_callback(entries)
        except Exception as error:  # noqa: BLE001 - it is raised, or an entry is refused for it
            self._find_flaw(error)
            return
        try:
            committed = await self._commit(batch, on_commit)
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
        """Report the commit to watchers, before the entries are settled and their runs change."""
        try:
            seconds = asyncio.get_running_loop().time() - began
            report_commit(self.watchers, entries, committed, seconds, self._store.wall())
        except Exception:
            log.exception("metrics or traces were not told of a commit")

    async def _commit(self, batch: Batch, on_commit: OnCommit | None) -> Committed:
        """Try until the database answers. Sending the same batch again is harmless.

        While the database fails in a way that will last, entries that add work are refused, also
        those that arrive meanwhile; records of work that is done are kept.
        """
        backoff: Backoff | None = None
        while True:
            if failpoints.watches:
                failpoints.hit("journal.before_commit")
            try:
                committed = await self._store.commit(batch, on_commit)
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
                if on_commit is None and failpoints.watches:
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
        """No batch can be made of the first part. Try again in the next turn, then divide it: an
        entry is at fault.
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
        """Find the value that made the first part fail, by halving it. Marks and lines do not fail
        entries. Lines go first: none are accepted after the end of their run.
        """
        parts = _divided(entries, marks, lines)
        refusals: list[tuple[Entry, StoreError]] = []
        if not parts:
            refusals = [(entry, error) for entry in entries]
        self._parts[:1], self._refusals = parts, self._refusals + refusals
        self._refuse()
        for each in () if parts else lines:
            log.error("lines that run %s has logged are not kept: %s", each.run_id, error)

    def _refuse(self) -> None:
        """Give entries their errors. If one of them raises, the others must still get theirs."""
        while self._refusals:
            entry, error = self._refusals.pop(0)
            try:
                entry.refused(error)
            except Exception as fault:
                log.exception("acting on a refused record failed")
                self._break_down(fault)

    def _break_down(self, fault: Exception) -> None:
        """End the engine: otherwise a run would stand still, or a caller would wait for ever."""
        self._broken(f"the runner has broken down: it could not act on a record: {fault!r}")


def _divided(
    entries: Sequence[Entry], marks: Sequence[AttemptRow], lines: Sequence[Rider]
) -> list[Part]:
    """The parts of a part that fails; none if it cannot be divided."""
    if entries and (marks or lines):
        alone: Part = (entries, [], [])
        return [([], [], lines), alone] if lines else [alone]
    if len(entries) > 1:
        return [(half, [], []) for half in halves(entries)]
    if entries and (apart := entries[0].apart()):
        return [(half, [], []) for half in halves(apart)]
    if len(lines) > 1:
        return [([], [], half) for half in halves(lines)]
    return []
