"""The facts that the engine tells metrics and traces, once they are durable.

An engine without a watcher makes none of these objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from cloaca_core.run.rows import AttemptRow, RunEnd, RunRow


class BodySpans(Protocol):
    """The spans of one run, as its bodies see them. Called on their threads and loops."""

    def enter(self, task_id: str, attempt: int) -> None:
        """Make the span of an attempt the current one, in the context of its body."""

    def step(self, name: str) -> AbstractContextManager[object]:
        """A block for the function of a step: its span is the current one."""


class SubmitSpan(Protocol):
    """The span of a submission. ``trace`` is what the row of its run has."""

    trace: str | None

    def accepted(self, run_id: str | None) -> None:
        """The run is durable, or one that stands for it. Does nothing a second time."""

    def failed(self, error: BaseException) -> None:
        """It was not accepted; does nothing after ``accepted``."""


class SubmitTracer(Protocol):
    """Makes the spans of submissions. Any thread may ask."""

    def begin(self, name: str, *, within: bool, runs: int = 1) -> SubmitSpan:
        """The span of a submission that is sent now, in the context of the caller: ``name`` is its
        name, ``runs`` how many it submits. With ``within`` they belong to the caller's trace.
        """


class WatchedRun(Protocol):
    """A run of this runner. ``spans`` are those of its bodies, None if no program traces."""

    spans: BodySpans | None

    @property
    def row(self) -> RunRow:
        """The run as it was when it became this runner's."""

    def ready_at(self, task_id: str) -> int | None:
        """Since when the first attempt of a task could begin, µs since 1970. None if that is not
        known, as for a run that has had another owner.
        """


class EndedWait(NamedTuple):
    """A wait of a task that has ended: ``kind`` is sleep, event or approval, ``name`` the event.
    ``number`` is 0 for a node. It was ended by a message or by time. Instants in µs since 1970.
    """

    task_id: str
    attempt: int
    kind: str
    name: str
    number: int
    opened_at: int
    ended_at: int
    by_message: bool


class Recorded(NamedTuple):
    """Rows of a run that have become durable together."""

    run: WatchedRun
    attempts: Sequence[AttemptRow]
    waits: Sequence[EndedWait]
    end: RunEnd | None


class DecidedTick(Protocol):
    """A tick of a schedule of this ``workflow`` that was decided, at the instant ``tick`` in µs
    since 1970. ``outcome`` is its ``TickOutcome``.
    """

    @property
    def workflow(self) -> str:
        """The full name."""

    @property
    def tick(self) -> int:
        """The instant."""

    @property
    def outcome(self) -> str:
        """The decision."""


class Watcher(Protocol):
    """Is told of facts on the engine's loop; must be quick. What it raises is logged."""

    def adopted(self, run: WatchedRun) -> None:
        """A run is this runner's from now on, and is about to begin or to go on."""

    def recorded(self, recorded: Recorded) -> None:
        """Rows of a run of this runner are durable."""

    def ticked(self, ticks: Sequence[DecidedTick], now: int) -> None:
        """Ticks that this runner has decided are durable, at ``now`` in µs since 1970, unless
        another runner has decided them as well.
        """

    def committed(self, seconds: float) -> None:
        """A commit of the journal has taken so long."""
