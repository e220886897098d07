"""The facts that the engine reports to metrics and traces, once they are durable.

An engine without a watcher makes none of these objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from cloaca_core.run.rows import AttemptRow, RunEnd, RunRow


class BodySpans(Protocol):
    """The trace spans of one run, for its bodies and nodes. Called on their threads and loops."""

    def enter(self, task_id: str, attempt: int, item: int) -> None:
        """Make the span of an attempt of a task, or of the ``item`` of a map (otherwise -1), the
        current one, in the context of its body.
        """

    def step(self, name: str) -> AbstractContextManager[object]:
        """A block for the function of a step: within it, the span of the step is the current
        one.
        """

    def trace_of(self, task_id: str, attempt: int, item: int) -> str:
        """The trace text for the row of a run that a node, or an item of one, begins: below the
        span of that.
        """


class SubmitSpan(Protocol):
    """The span of a submission. ``trace`` is the trace text for the row of its run."""

    trace: str | None

    def accepted(self, run_id: str | None) -> None:
        """The submission is durable, as this run or as an existing run with its key. A second call
        does nothing.
        """

    def failed(self, error: BaseException) -> None:
        """The submission failed. Does nothing after ``accepted``."""


class SubmitTracer(Protocol):
    """Makes the spans of submissions. Any thread may call it."""

    def begin(self, name: str, *, within: bool, runs: int = 1) -> SubmitSpan:
        """Begin the span of a submission, in the context of the caller. ``name`` is the span's
        name, ``runs`` the number of runs submitted. With ``within``, the runs belong to the
        caller's trace.
        """


class WatchedRun(Protocol):
    """A run of this runner. ``spans`` are the spans of its bodies, None if the program does not
    trace.
    """

    spans: BodySpans | None

    @property
    def row(self) -> RunRow:
        """The row of the run as this runner read it when it adopted the run."""

    def ready_at(self, task_id: str) -> int | None:
        """The earliest instant at which the first attempt of a task could begin, in µs since 1970.
        None if that is not known, as for a run that has had another owner.
        """

    def attempt_of(self, task_id: str) -> int:
        """The number of the latest attempt of a task that has begun."""


class EndedWait(NamedTuple):
    """A wait of a task that has ended: ``kind`` is sleep, event or approval, ``name`` the event.
    ``number`` is 0 for a node. With ``by_message`` a message ended it, otherwise time did. Instants
    in µs since 1970. ``item`` is the index of the item of a map, -1 for a task.
    """

    task_id: str
    attempt: int
    kind: str
    name: str
    number: int
    opened_at: int
    ended_at: int
    by_message: bool
    item: int = -1


class Recorded(NamedTuple):
    """Rows of a run that have become durable together."""

    run: WatchedRun
    attempts: Sequence[AttemptRow]
    waits: Sequence[EndedWait]
    end: RunEnd | None


class DecidedTick(Protocol):
    """A tick that a schedule of this ``workflow`` decided about. ``tick`` is its instant in µs
    since 1970, ``outcome`` its ``TickOutcome``.
    """

    @property
    def workflow(self) -> str:
        """The full name of the workflow."""

    @property
    def tick(self) -> int:
        """The instant of the tick."""

    @property
    def outcome(self) -> str:
        """The decision about the tick."""


class Watcher(Protocol):
    """Receives facts on the engine's loop; must be quick. The engine logs an exception and
    continues.
    """

    def adopted(self, run: WatchedRun) -> None:
        """This runner owns the run from now on, and is about to begin or resume it."""

    def recorded(self, recorded: Recorded) -> None:
        """Rows of a run of this runner are durable."""

    def ticked(self, ticks: Sequence[DecidedTick], now: int) -> None:
        """Decisions about ticks by this runner are durable, at ``now`` in µs since 1970. Another
        runner may have decided the same ticks.
        """

    def committed(self, seconds: float) -> None:
        """The journal has committed, which took this many seconds."""
