"""An executor and a journal that do what the test says, when it says so, on its own thread."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from model.memory_store import MemoryStore

from cloaca_core.engine.execute.executor import Executor
from cloaca_core.engine.execute.work import Stage, Work
from cloaca_core.engine.record.attempt_rows import StartMarks
from cloaca_core.engine.record.entries import Entry
from cloaca_core.engine.record.journal import Journal
from cloaca_core.engine.record.run_entry import RunEntry
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.errors import StoreDataError
from cloaca_core.features.inputs.filled import FilledInputRows
from cloaca_core.features.waits.records import TIMEOUTS
from cloaca_core.features.waits.rows import WaitRows
from cloaca_core.run.rows import AttemptRow
from cloaca_core.store.batch import Committed

NO_STOP_REQUESTS: Final[Mapping[str, str]] = MappingProxyType({})
NO_MESSAGES: Final[Mapping[str, int]] = MappingProxyType({})


class HandExecutor(Executor):
    """Keeps bodies in ``queued`` until the test begins them, and sets ``came`` with each.

    ``expected`` holds bodies that have not been let go yet, ``interrupted`` those that were asked
    to end. A body that wants its slot back gets it while ``slot_free`` is set. The test sets
    ``is_starting``. The numbers of slots are told, and not kept.
    """

    is_starting = False

    def __init__(self, thread_slots: int = 1, async_slots: int = 1, *_: object) -> None:
        super().__init__(thread_slots, async_slots, asyncio.get_running_loop())
        self.queued: list[Work] = []
        self.expected: list[Work] = []
        self.interrupted: list[Work] = []
        self.came = asyncio.Event()
        self.slot_free = asyncio.Event()
        self.slot_free.set()
        self.released = self.reacquired = 0
        self._begun: list[Work] = []

    def submit(self, work: Work) -> None:
        work.stage = Stage.QUEUED
        self.queued.append(work)
        self.came.set()

    def reserve(self, work: Work) -> bool:
        work.stage = Stage.QUEUED
        self.expected.append(work)
        return True

    def start_reserved(self, work: Work) -> None:
        if not work.abandoned:
            self.expected.remove(work)
            self.submit(work)

    def release_slot(self, work: Work) -> None:
        self.released += 1
        work.holds_slot = False

    async def reacquire_slot(self, work: Work) -> None:
        self.reacquired += 1
        await self.slot_free.wait()
        work.holds_slot = not work.abandoned

    def abandon(self, work: Work, *, even_running: bool = True) -> bool:
        assert not (work.abandoned and even_running), "given up twice: a slot would be lost"
        if work.stage is Stage.RAN or (work.stage is Stage.RUNNING and not even_running):
            return False
        work.abandoned = True
        for waiting in (self.queued, self.expected):
            if work in waiting:
                waiting.remove(work)
        return True

    def interrupt(self, work: Work) -> None:
        self.interrupted.append(work)

    def running(self) -> Iterator[Work]:
        yield from list(self._begun)

    # -- what the test does ------------------------------------------------------------------

    async def sent(self) -> None:
        """Return as soon as something is queued."""
        while not self.queued:
            self.came.clear()
            await self.came.wait()

    def begin(self, work: Work | None = None) -> Work:
        """A slot becomes free: this work, or the first of the queue, is under way from now on."""
        work = work or self.queued[0]
        self.queued.remove(work)
        self._begun.append(work)
        work.begin()
        return work

    def end(self, work: Work) -> None:
        """It has run; its report is on the way."""
        work.run()
        self._begun.remove(work)
        work.stage = Stage.RAN

    def report(self, work: Work) -> None:
        """Its report arrives."""
        if not work.abandoned:
            work.finished(work)

    def finish(self, work: Work) -> None:
        """It has run and is reported."""
        self.end(work)
        self.report(work)

    def run(self, work: Work | None = None) -> None:
        """All of it at once."""
        self.finish(self.begin(work))


class HandMarks(StartMarks):
    """``due`` are the start marks that are taken next."""

    are_coming = False

    def __init__(self) -> None:
        self.due: list[AttemptRow] = []

    def take(self) -> list[AttemptRow]:
        due, self.due = self.due, []
        return due


class HandJournal(Journal):
    """``waiting`` are the entries that nothing has become of yet; ``came`` is set with each.
    ``stop_requests`` are the requests to pause or cancel runs, ``messages`` the numbers of messages
    sent to runs: each commit answers both, and decides by ``messages`` which waits time out.
    """

    def __init__(self, start_marks: StartMarks) -> None:
        self.store = MemoryStore()
        super().__init__(self.store, RunnerId("r1"), start_marks)
        self.waiting: list[RunEntry] = []
        self.came = asyncio.Event()
        self.marks_wanted = 0
        self.stop_requests: dict[str, str] = {}
        self.messages: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        assert isinstance(entry, RunEntry)
        self.waiting.append(entry)
        self.came.set()

    def mark_soon(self) -> None:
        self.marks_wanted += 1

    # -- what the test does ------------------------------------------------------------------

    async def entry(self) -> RunEntry:
        """The oldest entry, as soon as there is one."""
        while not self.waiting:
            self.came.clear()
            await self.came.wait()
        return self.waiting.pop(0)

    async def commit(self) -> RunEntry:
        """The oldest entry becomes durable."""
        entry = await self.entry()
        if entry.on_commit is not None:
            land(entry, self.stop_requests)
        settle(entry, self.stop_requests, self.messages)
        return entry

    async def lose(self) -> None:
        """The oldest entry comes too late."""
        (await self.entry()).settled(Committed(frozenset(), {}, frozenset()))

    async def refuse(self) -> None:
        """The database will not take the oldest entry."""
        (await self.entry()).refused(StoreDataError("not this"))


def land(entry: RunEntry, stop_requests: Mapping[str, str] = NO_STOP_REQUESTS) -> None:
    """It is durable, and the loop has not heard of it."""
    assert entry.on_commit is not None
    entry.on_commit(_committed(entry, stop_requests))


def settle(
    entry: RunEntry,
    stop_requests: Mapping[str, str] = NO_STOP_REQUESTS,
    messages: Mapping[str, int] = NO_MESSAGES,
) -> None:
    """It is durable, and the loop hears of it."""
    entry.settled(_committed(entry, stop_requests, messages))


def waits_of(entry: RunEntry) -> WaitRows:
    """What an entry writes of waits."""
    rows = [each for each in entry.beside if isinstance(each, WaitRows)]
    others = [each for each in entry.beside if isinstance(each, FilledInputRows)]
    assert len(rows) + len(others) == len(entry.beside)
    return WaitRows(
        [row for each in rows for row in each.opened],
        [row for each in rows for row in each.timeouts],
        [row for each in rows for row in each.closed],
        [row for each in rows for row in each.memos],
    )


def _committed(
    entry: RunEntry, stop_requests: Mapping[str, str], messages: Mapping[str, int] = NO_MESSAGES
) -> Committed:
    """The answer of a store that has written this entry and found these requests and messages."""
    run_id = entry.run.id
    met = {run_id: stop_requests[run_id]} if run_id in stop_requests else {}
    timeouts = waits_of(entry).timeouts
    over = frozenset(each for each in timeouts if messages.get(run_id, 0) <= each.seen)
    return Committed(
        frozenset(),
        {},
        frozenset([run_id]),
        stop_requests=met,
        messages=messages,
        decided={TIMEOUTS: over} if over else {},
    )
