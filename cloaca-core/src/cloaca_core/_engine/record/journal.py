"""The one writer of what became true: gathers, commits as a group, and only then lets it count.

Everything that arrives while a commit is under way travels in the next one, so a thousand runs in
flight share a commit and a lone run pays one per step. Nothing that was accepted is dropped: an
unavailable database is tried again until it answers, and a batch that fails because of one value
is divided until only that value's owner is told. Knows nothing of tasks and retries.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from cloaca_core._engine.record.attempt_rows import ROW_BYTES, weight_of
from cloaca_core._engine.runtime import failpoints
from cloaca_core.errors import (
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
)
from cloaca_core.logs import SafeLogger
from cloaca_core.records.rows import (
    AttemptRow,
    Batch,
    Cancellation,
    Committed,
    Firing,
    NewEvent,
    NewRun,
    NewTick,
    RunEnd,
    TriggerRow,
)

if TYPE_CHECKING:
    from cloaca_core.store.protocol import Landed, Store

log = SafeLogger("cloaca.journal")

ErrorT = TypeVar("ErrorT", bound=StoreError)

MAX_BATCH_ENTRIES: Final = 5_000
MAX_BATCH_BYTES: Final = 16 << 20
MAX_INBOX_ENTRIES: Final = 20_000
MAX_INBOX_BYTES: Final = 64 << 20
MARK_DELAY: Final = 0.05
"""Seconds after which start marks that found no commit to ride with get one of their own."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0


@dataclass(slots=True)
class Submission:
    """New runs, accepted or refused together. ``accepted`` gets what became of them, also when they
    were held back. ``weight`` is about how many bytes it holds, ``keys`` how many may be held.
    """

    rows: Sequence[NewRun]
    accepted: Callable[[Committed], None]
    refused: Callable[[StoreError], None]
    weight: int = field(init=False)
    keys: int = field(init=False)

    def __post_init__(self) -> None:
        self.weight = sum([ROW_BYTES + len(row.input) for row in self.rows])
        self.keys = sum([row.may_be_held for row in self.rows])


@dataclass(slots=True)
class Decided:
    """What became of due schedules, their ticks, runs that make way and how they go on, or of
    triggers. ``told`` is called when it is durable, or was too late because others decided the
    same: before whoever waits for ``done`` goes on, and also when nobody does any more.
    """

    told: Callable[[], None]
    firings: Sequence[Firing] = ()
    ticks: Sequence[NewTick] = ()
    cancellations: Sequence[Cancellation] = ()
    events: Sequence[NewEvent] = ()
    turns: Sequence[TriggerRow] = ()
    done: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def settled(self) -> None:
        """It is written, or will never count."""
        self.told()
        if not self.done.done():
            self.done.set_result(None)

    def refused(self, error: StoreError) -> None:
        """The database will not take it; nothing was written."""
        if not self.done.done():
            self.done.set_exception(error)

    @property
    def weight(self) -> int:
        """About how many bytes it holds."""
        runs = sum([ROW_BYTES + len(tick.input) for tick in self.ticks])
        runs += sum([ROW_BYTES + len(event.input) for event in self.events])
        others = len(self.firings) + len(self.cancellations) + len(self.turns)
        return runs + ROW_BYTES * others


class Record(ABC):
    """Rows of one run, made under ``epoch``: all of them count, or none. One of ``recorded``,
    ``lost`` and ``refused`` is called when that is settled. ``weight`` is about how many bytes it
    holds.
    """

    __slots__ = ("attempts", "end", "epoch", "run_id", "weight")

    def __init__(
        self, run_id: str, epoch: int, attempts: Sequence[AttemptRow], end: RunEnd | None
    ) -> None:
        self.run_id: str = run_id
        self.epoch: int = epoch
        self.attempts: Sequence[AttemptRow] = attempts
        self.end: RunEnd | None = end
        self.weight: int = sum([weight_of(row) for row in attempts])
        if end is not None:
            self.weight += len(end.final_context) + len(end.error_message or "")

    @property
    @abstractmethod
    def is_awaited(self) -> bool:
        """Whether ``landed`` has anything to do."""

    @abstractmethod
    def landed(self) -> None:
        """The rows are durable: ``recorded`` is on its way. Called on any thread, so it does only
        what needs no loop, and raises nothing; not called unless ``is_awaited``.
        """

    @abstractmethod
    def recorded(self) -> None:
        """The rows are durable."""

    @abstractmethod
    def lost(self) -> None:
        """The run is no longer ours; nothing was written."""

    @abstractmethod
    def refused(self, error: StoreDataError) -> None:
        """The database will not take a value; nothing was written."""


Entry: TypeAlias = Submission | Decided | Record


class Journal:
    """Group commit. All methods belong to the engine's loop.

    ``start_marks`` gives the marks of the bodies that run right now and have none yet; they ride
    with each commit. ``writing`` is held from the making of a batch until everybody who has a part
    in it knows what became of it.
    """

    def __init__(
        self, store: Store, runner_id: str, start_marks: Callable[[], list[AttemptRow]]
    ) -> None:
        self.runner_id: str = runner_id
        self.failure: Exception | None = None
        self.writing: asyncio.Lock = asyncio.Lock()
        self._store = store
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
        self._marks_due = False

    # -- producers ---------------------------------------------------------------------------

    def add(self, entry: Entry) -> None:
        """Take an entry; exactly one of its callbacks is called, unless ``become`` comes first."""
        self._inbox.append(entry)
        self._bytes += entry.weight
        self._measure()
        self._wake()

    async def decide(self, decided: Decided) -> None:
        """Take a decision once there is room; returns when it is settled."""
        if not self.has_room():
            await self.room()
        self.add(decided)
        await decided.done

    def mark_soon(self) -> None:
        """A body was sent off: see to it that its start mark is not long in coming."""
        if self._mark_timer is None:
            loop = asyncio.get_running_loop()
            self._mark_timer = loop.call_later(MARK_DELAY, self._mark)

    def _mark(self) -> None:
        self._mark_timer = None
        self._marks_due = True
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

    def become(self, runner_id: str) -> None:
        """Write as another runner. Records of the old one are dropped: its runs are not ours any
        more. What belongs to no run of ours stays: submissions become runs without an owner.
        """
        self.runner_id = runner_id
        self._keep([entry for entry in self._inbox if not isinstance(entry, Record)])

    def _keep(self, entries: Sequence[Entry]) -> None:
        self._inbox = deque(entries)
        self._bytes = sum([entry.weight for entry in entries])
        self._measure()

    def _measure(self) -> None:
        """Say whether there is room, whenever the inbox has changed."""
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
            entries, marks = self._take()
            if entries or marks:
                await self._write(entries, marks)
        if not (self._inbox or self._marks_due):
            self._work.clear()
            self._idle.set()

    def _take(self) -> tuple[list[Entry], list[AttemptRow]]:
        entries: list[Entry] = []
        weight = keys = 0
        while (
            self._inbox
            and len(entries) < MAX_BATCH_ENTRIES
            and weight < MAX_BATCH_BYTES
            and keys < self._most_keys
        ):
            entry = self._inbox.popleft()
            entries.append(entry)
            weight += entry.weight
            if isinstance(entry, Submission):
                keys += entry.keys
        self._bytes -= weight
        self._measure()
        self._marks_due = False
        return entries, self._start_marks()

    async def _write(self, entries: list[Entry], marks: list[AttemptRow]) -> None:
        """Commit these, whatever it takes, and tell everybody what became of it."""
        try:
            batch = _batch(self.runner_id, entries, marks)
            committed = await self._commit(batch, _landing(entries))
        except StoreDataError as error:
            await self._divide(entries, marks, error)
        except StoreError as error:
            if (rest := _refused(entries, error)) or marks:
                await self._write(rest, marks)
        else:
            for entry in entries:
                self._tell(entry, committed)

    def _tell(self, entry: Entry, committed: Committed) -> None:
        try:
            _settle(entry, committed)
        except Exception:  # a flaw in one run's handling must not reach the others of its batch
            log.exception("acting on a committed record failed")

    async def _commit(self, batch: Batch, landed: Landed | None) -> Committed:
        """Try until the database answers. The same batch again is harmless (design: idempotent).

        While it fails in a way that will last, whoever wants to add work hears of it, also those
        who come meanwhile; what was done is kept.
        """
        pause = FIRST_PAUSE
        while True:
            failpoints.hit("journal.before_commit")
            try:
                committed = await self._store.commit(batch, landed)
            except StoreDataError:
                raise
            except Exception as error:
                log.warning("commit failed, trying again in %.2f s: %s", pause, error)
                self.failure = error
                if isinstance(error, StoreError) and _lasts(error):
                    self._keep(_refused(self._inbox, error))
                    if _adds_work(batch):
                        raise
            else:
                self.failure = None
                if landed is None:
                    failpoints.hit("journal.after_commit")
                return committed
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _divide(
        self, entries: list[Entry], marks: list[AttemptRow], error: StoreDataError
    ) -> None:
        """Find the value that failed the batch by halving; marks are worth no search."""
        if marks:
            await self._write(entries, [])
        elif len(entries) == 1:
            _refuse(entries[0].refused, error)
        else:
            middle = len(entries) // 2
            await self._write(entries[:middle], [])
            await self._write(entries[middle:], [])


def _lasts(error: StoreError) -> bool:
    """True when another try will not do soon, so that there is no point in taking on more."""
    return isinstance(error, StoreFullError) or not isinstance(error, StoreUnavailableError)


def _refused(entries: Iterable[Entry], error: StoreError) -> list[Entry]:
    """Refuse what would add work; what there is to record."""
    records: list[Entry] = []
    for entry in list(entries):
        if isinstance(entry, Record):
            records.append(entry)
        else:
            _refuse(entry.refused, error)
    return records


def _refuse(refused: Callable[[ErrorT], None], error: ErrorT) -> None:
    try:
        refused(error)
    except Exception:  # nor must a flaw in one's handling reach the others here
        log.exception("acting on a refused record failed")


def _adds_work(batch: Batch) -> bool:
    """Whether it says more than what became of work that there is."""
    added = (batch.new_runs, batch.firings, batch.ticks, batch.events, batch.turns)
    return any(added)


def _batch(runner_id: str, entries: list[Entry], marks: list[AttemptRow]) -> Batch:
    firings: list[Firing] = []
    ticks: list[NewTick] = []
    cancellations: list[Cancellation] = []
    events: list[NewEvent] = []
    turns: list[TriggerRow] = []
    fences = {row.run_id: row.epoch for row in marks}
    batch = Batch(runner_id, [], [], [], fences, firings, ticks, cancellations, events, turns)
    for entry in entries:
        if isinstance(entry, Submission):
            batch.new_runs.extend(entry.rows)
            continue
        if isinstance(entry, Decided):
            firings.extend(entry.firings)
            ticks.extend(entry.ticks)
            cancellations.extend(entry.cancellations)
            events.extend(entry.events)
            turns.extend(entry.turns)
            continue
        batch.fences[entry.run_id] = entry.epoch
        batch.attempts.extend(entry.attempts)
        if entry.end is not None:
            batch.ends.append(entry.end)
    batch.attempts.extend(marks)  # last: they say how it stands now
    return batch


def _landing(entries: Iterable[Entry]) -> Landed | None:
    """What to do where the commit is seen through. None when nothing waits there: the loop would
    only hear of it later.
    """
    awaited = [each for each in entries if isinstance(each, Record) and each.is_awaited]
    return partial(_landed, awaited) if awaited else None


def _landed(awaited: Iterable[Record], committed: Committed) -> None:
    """Let go what waits for nothing but these rows; on any thread."""
    failpoints.hit("journal.after_commit")
    for record in awaited:
        if record.run_id in committed.current:
            record.landed()


def _settle(entry: Entry, committed: Committed) -> None:
    if isinstance(entry, Submission):
        entry.accepted(committed)
    elif isinstance(entry, Decided):
        entry.settled()
    elif entry.run_id in committed.current:
        entry.recorded()
    else:
        entry.lost()
