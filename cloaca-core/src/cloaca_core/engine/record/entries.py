"""Entries of the journal: rows that count together or not at all, each with its listener."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cloaca_core.engine.record.weight import ROW_BYTES
from cloaca_core.errors import StoreError
from cloaca_core.features.follow_ups.records import NewFollowUp
from cloaca_core.features.schedules.records import Cancellation, Firing, NewTick
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.task_logs.records import LogChunk, OldChunk, ProgressRow
from cloaca_core.features.triggers.records import NewEvent, TriggerRow
from cloaca_core.features.waits.records import ClosedWait, NewMessage, WaitRow, WaitTimeout
from cloaca_core.run.rows import AttemptRow, Exhausted, NewRun, Park, RunEnd
from cloaca_core.store.batch import Batch, Committed


class Draft:
    """A batch while entries put their rows into it."""

    __slots__ = (
        "attempts",
        "cancellations",
        "closed",
        "ends",
        "events",
        "exhausted",
        "fences",
        "firings",
        "follow_ups",
        "lines",
        "memos",
        "messages",
        "new_runs",
        "old_lines",
        "parks",
        "progress",
        "ticks",
        "timeouts",
        "turns",
        "waits",
    )

    # By hand: a dataclass would call a factory for each of them, at each commit.
    def __init__(self, fences: dict[str, int] | None = None) -> None:
        self.new_runs: list[NewRun] = []
        self.attempts: list[AttemptRow] = []
        self.ends: list[RunEnd] = []
        self.fences: dict[str, int] = {} if fences is None else fences
        self.firings: list[Firing] = []
        self.ticks: list[NewTick] = []
        self.cancellations: list[Cancellation] = []
        self.events: list[NewEvent] = []
        self.turns: list[TriggerRow] = []
        self.parks: list[Park] = []
        self.follow_ups: list[NewFollowUp] = []
        self.exhausted: list[Exhausted] = []
        self.memos: list[MemoRow] = []
        self.waits: dict[tuple[object, ...], WaitRow] = {}
        self.timeouts: list[WaitTimeout] = []
        self.closed: list[ClosedWait] = []
        self.messages: list[NewMessage] = []
        self.lines: list[LogChunk] = []
        self.old_lines: list[OldChunk] = []
        self.progress: list[ProgressRow] = []

    def batch(self, runner_id: str) -> Batch:
        """The batch that is sent."""
        return Batch(
            runner_id,
            self.new_runs,
            self.attempts,
            self.ends,
            self.fences,
            self.firings,
            self.ticks,
            self.cancellations,
            self.events,
            self.turns,
            self.parks,
            self.follow_ups,
            self.exhausted,
            self.memos,
            list(self.waits.values()),
            self.timeouts,
            self.closed,
            self.messages,
            self.lines,
            self.old_lines,
            self.progress,
        )


class Entry(ABC):
    """Exactly one of ``settled`` and ``refused`` is called, on the engine's loop, unless the
    journal drops the entry because it ``is_of_run`` and the run is not ours any more.

    ``weight`` is about how many bytes it holds, ``keys`` how many of its rows may be held back.
    """

    __slots__ = ()

    weight: int
    keys: int = 0
    is_of_run: bool = False
    """Whether it records progress of a run of ours; other entries ask for more work."""
    landed: Callable[[Committed], None] | None = None
    """Called when the batch is durable and ``settled`` is on its way, by an entry that awaits this.
    On any thread, so it must not use the loop; raises nothing.
    """

    @abstractmethod
    def add_to(self, draft: Draft) -> None:
        """Put its rows into a batch."""

    @abstractmethod
    def settled(self, committed: Committed) -> None:
        """The batch is durable; ``committed`` has the outcome of its rows."""

    @abstractmethod
    def refused(self, error: StoreError) -> None:
        """The database will not take it; nothing was written."""


class Submitting(Protocol):
    """Is told the outcome of a submission."""

    def accepted(self, entry: SubmissionEntry, committed: Committed) -> None:
        """Its runs are durable, or held back."""

    def refused(self, entry: SubmissionEntry, error: StoreError) -> None:
        """None of its runs is durable."""


@dataclass(slots=True, eq=False)
class SubmissionEntry(Entry):
    """New runs, accepted or refused together, and the messages that they begin with."""

    rows: Sequence[NewRun]
    listener: Submitting
    messages: Sequence[NewMessage] = ()
    weight: int = field(init=False)
    keys: int = field(init=False)

    def __post_init__(self) -> None:
        self.weight = sum([ROW_BYTES + len(row.input) for row in self.rows])
        if self.messages:
            self.weight += sum([ROW_BYTES + len(each.payload) for each in self.messages])
        self.keys = sum([row.may_be_held for row in self.rows])

    def add_to(self, draft: Draft) -> None:
        draft.new_runs.extend(self.rows)
        draft.messages.extend(self.messages)

    def settled(self, committed: Committed) -> None:
        self.listener.accepted(self, committed)

    def refused(self, error: StoreError) -> None:
        self.listener.refused(self, error)


@dataclass(slots=True, eq=False)
class Decision(Entry):
    """The decision of a loop. ``told`` is called when it is durable, or was too late because others
    decided the same: before a caller that awaits ``done`` goes on, and also without such a caller.
    """

    told: Callable[[], None]
    weight: int = field(init=False)
    done: asyncio.Future[None] = field(init=False)

    def __post_init__(self) -> None:
        self.done = asyncio.get_running_loop().create_future()

    def settled(self, _: Committed) -> None:
        self.told()
        if not self.done.done():
            self.done.set_result(None)

    def refused(self, error: StoreError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


@dataclass(slots=True, eq=False)
class FiringEntry(Decision):
    """Due schedules: their ticks, the runs cancelled for those, and their next due times."""

    firings: Sequence[Firing] = ()
    ticks: Sequence[NewTick] = ()
    cancellations: Sequence[Cancellation] = ()

    def __post_init__(self) -> None:
        Decision.__post_init__(self)
        runs = sum([ROW_BYTES + len(tick.input) for tick in self.ticks])
        self.weight = runs + ROW_BYTES * (len(self.firings) + len(self.cancellations))

    def add_to(self, draft: Draft) -> None:
        draft.firings.extend(self.firings)
        draft.ticks.extend(self.ticks)
        draft.cancellations.extend(self.cancellations)


@dataclass(slots=True, eq=False)
class EventEntry(Decision):
    """The events of triggers, and the rows of triggers that ticked."""

    events: Sequence[NewEvent] = ()
    turns: Sequence[TriggerRow] = ()

    def __post_init__(self) -> None:
        Decision.__post_init__(self)
        runs = sum([ROW_BYTES + len(event.input) for event in self.events])
        self.weight = runs + ROW_BYTES * len(self.turns)

    def add_to(self, draft: Draft) -> None:
        draft.events.extend(self.events)
        draft.turns.extend(self.turns)
