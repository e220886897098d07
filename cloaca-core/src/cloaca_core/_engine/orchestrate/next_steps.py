"""Takes the steps that follow a record: once its rows are durable, dependents start, a run that is
over is told of, one that cannot go on for now is given back.

It decides nothing about tasks; the orchestrator has done so before the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVarTuple

from cloaca_core._engine.runtime import failpoints
from cloaca_core.records.states import RunStatus

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt
    from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core._engine.orchestrate.attempts import Attempts
    from cloaca_core._engine.orchestrate.failures import Failures
    from cloaca_core._engine.orchestrate.launcher import Launcher
    from cloaca_core._engine.orchestrate.resting_runs import RestingRuns
    from cloaca_core._engine.orchestrate.steered_runs import SteeredRuns
    from cloaca_core._engine.orchestrate.waiting_runs import WaitingRuns
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core._engine.record.journal import Journal
    from cloaca_core._engine.record.run_entry import RunEntry
    from cloaca_core._engine.wait.waits import Waits
    from cloaca_core.errors import StoreError
    from cloaca_core.records.runs import RunEnd

Ts = TypeVarTuple("Ts")


class RecordedCourse(Protocol):
    """The steps of a run that the outcome of a record causes; the orchestrator takes them."""

    def drop(self, run: ActiveRun) -> None:
        """Forget a run that is no longer ours."""

    def guarded(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take a step of a run; an error in the engine ends the run."""


class NextSteps:
    """The listener of the entries of runs. Belongs to the engine's loop, but for ``let_go``.
    ``ended`` is called with each run whose end is durable, and with None for an end that only the
    table knows; ``wished`` when something is asked of one of the runs; ``given_back`` when one has
    become claimable.
    """

    def __init__(
        self,
        journal: Journal,
        runs: ActiveRuns,
        attempts: Attempts,
        launcher: Launcher,
        resting: RestingRuns,
        waiting: WaitingRuns,
        steered: SteeredRuns,
        failures: Failures,
        ended: Callable[[ActiveRun, RunEnd | None], None],
        wished: Callable[[], None],
        given_back: Callable[[], None],
        waits: Waits,
        course: RecordedCourse,
    ) -> None:
        self._journal = journal
        self._runs = runs
        self._attempts = attempts
        self._launcher = launcher
        self._resting = resting
        self._waiting = waiting
        self._steered = steered
        self._failures = failures
        self._ended = ended
        self._wished = wished
        self._given_back = given_back
        self._waits = waits
        self._course = course

    def launch(self, run: ActiveRun, ready: Sequence[int]) -> None:
        """Start these tasks, and give the run back if nothing of it can go on for now."""
        self._launcher.launch(run, ready)
        if run.waits is not None:
            self._waits.check(run)
        else:
            self.settle(run)

    def settle(self, run: ActiveRun) -> None:
        """Give the run back, or end it, if nothing of it can go on for now."""
        if run.wish is not None:
            self._steered.settle(run)
        elif run.waits is not None or self._launcher.back_offs.has(run):
            self._resting.look(run)
            self._waiting.settle(run)

    def told(self, run: ActiveRun, messages: int) -> None:
        """So many messages were sent to a run that has waits."""
        self._course.guarded(run, self._waits.told, run, messages)

    def let_go(self, attempts: Iterable[Attempt]) -> None:
        """Let attempts begin that were prepared ahead. Any thread may do so."""
        self._attempts.let_go(attempts)

    def call_off(self, entry: RunEntry) -> None:
        """The run is to be cancelled or paused: start nothing more of it."""
        run = entry.run
        run.met += 1
        if run.wish is None:
            self._steered.note(run, RunStatus(entry.wish or RunStatus.PAUSED))

    def recorded(self, entry: RunEntry) -> None:
        """The rows are durable: take the next steps."""
        if entry.ahead:
            self._journal.mark_soon()
            if entry.run.wish is not None:
                self._course.guarded(entry.run, self._launcher.landed, entry.run, entry.ahead)
        if entry.end is None:
            self._course.guarded(entry.run, self._go_on, entry)
        else:  # an error cannot end it once more: the journal hears of it
            self._go_on(entry)
        if entry.flaw is not None:
            self._failures.broken(entry.run, entry.flaw)

    def _go_on(self, entry: RunEntry) -> None:
        if entry.wish is not None:
            self._wished()
        if entry.then is not None:
            entry.then()
        elif entry.end is not None:
            failpoints.hit("run.after_end")
            self._runs.remove(entry.run)
            end = entry.end if entry.wish is None else _recorded_end(entry, entry.end)
            self._ended(entry.run, end)
        elif entry.park is not None:
            self._parked(entry)
        else:
            if entry.exhausted is not None:
                self._paused(entry.run)
            self.launch(entry.run, entry.ready)

    def _paused(self, run: ActiveRun) -> None:
        """The run is paused, by a record of ours: start nothing more of it."""
        run.met += 1
        if run.wish is None:
            self._steered.note(run, RunStatus.PAUSED)
        self._wished()

    def _parked(self, entry: RunEntry) -> None:
        """The run is given back, unless it is to be cancelled: then it is still ours."""
        if entry.wish == RunStatus.CANCELLED:
            entry.run.parked = False
        else:
            failpoints.hit("run.after_park")
            self._course.drop(entry.run)
            if entry.wish is None and self._is_claimable(entry):
                self._given_back()
            self._wished()

    def _is_claimable(self, entry: RunEntry) -> bool:
        """Whether a run that was given back was resumed meanwhile, or sent a message."""
        park = entry.park
        assert park is not None
        return park.due_at is None or entry.messages > park.seen

    def lost(self, entry: RunEntry) -> None:
        """The run belongs to another runner."""
        self._course.drop(entry.run)

    def refused(self, entry: RunEntry, error: StoreError) -> None:
        """The run cannot go on as planned."""
        self._launcher.call_off(entry.ahead)
        self._course.guarded(entry.run, self._failures.unstorable, entry, error)


def _recorded_end(entry: RunEntry, end: RunEnd) -> RunEnd | None:
    """The end as it was written; None where that is known to the table alone, since the run was to
    be cancelled.
    """
    cancelled = entry.wish == RunStatus.CANCELLED and end.status != RunStatus.CANCELLED
    return None if cancelled else end
