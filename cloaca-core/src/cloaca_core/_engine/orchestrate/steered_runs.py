"""Brings runs of ours to the state that people ask for: ends those that are cancelled, parks those
that are paused.

Nothing more of such a run starts. When no body of it is under way any more, or the deadline of a
cancel has come, one commit ends it or gives it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVarTuple

from cloaca_core._engine.execute.outcome import CutOff, Outcome, Raised, Succeeded
from cloaca_core._engine.plan.planner import RunOver
from cloaca_core._engine.plan.reasons import Reason
from cloaca_core._engine.record import attempt_rows
from cloaca_core._engine.record.end_row import end_row
from cloaca_core._engine.runtime.deadlines import Deadlines
from cloaca_core.logs import SafeLogger
from cloaca_core.records.runs import AttemptRow, Exhausted, Park, RunEnd
from cloaca_core.records.states import RunStatus
from cloaca_core.telemetry.events import RUN_CANCEL_REQUESTED, RUN_PAUSED
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt
    from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core._engine.orchestrate.attempts import Attempts
    from cloaca_core._engine.orchestrate.launcher import Launcher
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core._engine.plan.replacements import Keys
    from cloaca_core.records.waits import ClosedWait
    from cloaca_core.values.clock import Clock

log = SafeLogger("cloaca.engine")

Ts = TypeVarTuple("Ts")


class SteeredCourse(Protocol):
    """The steps of a run that is steered; the orchestrator takes them."""

    def record(
        self,
        run: ActiveRun,
        attempts: list[AttemptRow],
        end: RunEnd | None,
        ready: Sequence[int] = (),
        *,
        closed: Sequence[ClosedWait] = (),
    ) -> None:
        """Have rows of a run written, and act when they are durable."""

    def park(self, run: ActiveRun, park: Park) -> None:
        """Have a run given back, and forget it when that is durable."""

    def stop(self, run: ActiveRun) -> None:
        """Stop its bodies and timers; their outcomes are ignored."""

    def stop_limit(self, run: ActiveRun) -> None:
        """The time limit of the run stands still."""

    def start_limit(self, run: ActiveRun) -> None:
        """The time limit of the run goes on."""

    def guarded(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take a step of a run; an error in the engine ends the run."""


class _Cancel(NamedTuple):
    """Why a run is being cancelled, and when it is to have ended."""

    reason: Reason
    deadline: int


class SteeredRuns:
    """Belongs to the engine's loop. ``clock`` is that of the store."""

    def __init__(
        self,
        runs: ActiveRuns,
        launcher: Launcher,
        attempts: Attempts,
        clock: Clock,
        course: SteeredCourse,
    ) -> None:
        self._runs = runs
        self._launcher = launcher
        self._attempts = attempts
        self._clock = clock
        self._course = course
        self._deadlines = Deadlines(self._come_to_deadline)
        self._cancels: dict[ActiveRun, _Cancel] = {}

    # -- wishes ------------------------------------------------------------------------------

    def cancel(self, run: ActiveRun, reason: Reason, deadline: int) -> None:
        """Cut the bodies of a run off, and end it by ``deadline``, an instant in µs. Of several
        calls the earliest deadline holds; one with a deadline that is known changes nothing, also
        if the clock was set back since.
        """
        known = self._cancels.get(run)
        if run.over or (known is not None and known.deadline <= deadline):
            return
        seconds = max(0.0, (deadline - self._clock.wall()) / 1e6)
        self._deadlines.add(run, seconds)
        if known is not None:
            self._cancels[run] = known._replace(deadline=deadline)
            return
        self._cancels[run] = _Cancel(reason, deadline)
        ids = _ids(run, RUN_CANCEL_REQUESTED)
        log.info("run %s: %s; it ends within %.3g s", run.id, reason.text, seconds, extra=ids)
        run.cancelled = True
        self.note(run, RunStatus.CANCELLED)
        self._launcher.interrupt(run)
        self.settle(run)

    def pause(self, run: ActiveRun, because: str) -> None:
        """Start nothing more of a run, and give it back when its bodies have ended."""
        if run.over or run.wish is not None:
            return
        ids = _ids(run, RUN_PAUSED)
        log.info("run %s: %s", run.id, because, extra=ids)
        self.note(run, RunStatus.PAUSED)
        self.settle(run)

    def exhausted(self, run: ActiveRun, row: AttemptRow, error: str) -> Exhausted:
        """The pause of a run whose task has used up its attempts with ``row``."""
        reason = storable_text(f"{row.task_id} has used up its attempts: {error}")
        ids = _ids(run, RUN_PAUSED) | {"task_id": row.task_id}
        log.warning("run %s is paused: %.500s", run.id, reason, extra=ids)
        act_id = f"exhausted{SEPARATOR}{row.task_id}{SEPARATOR}{row.attempt}"
        after_failure = (row.ended_at or 0) + 1  # the wall may have been set back since then
        return Exhausted(run.id, act_id, reason, max(self._clock.wall(), after_failure))

    def note(self, run: ActiveRun, wish: RunStatus) -> None:
        """Start nothing more of a run of which a commit has shown that it is to be cancelled or
        paused; the wish itself is read soon.
        """
        if not run.over:
            run.wish = wish
            self._course.stop_limit(run)
            self._launcher.hold(run)

    def resume(self, run: ActiveRun) -> None:
        """Go on with a run that was paused and is still ours."""
        if run.over or run.parked or run.wish != RunStatus.PAUSED:
            return  # one that is parked goes on once it is claimed
        run.wish = None
        self._course.start_limit(run)
        self._go_on(run)

    def replace(self, run: ActiveRun, replacements: Sequence[Keys]) -> None:
        """Keys of a run were replaced, all in all these: what has not begun begins with them."""
        if run.over or run.parked:
            return  # one that is parked gets them once it is claimed
        run.replace(replacements)
        if run.wish is None:
            self._launcher.hold(run)
            self._go_on(run)

    def _go_on(self, run: ActiveRun) -> None:
        """Start what is held, once a commit has found that the run is still ours: else its
        owner goes on.
        """
        held, run.held = run.held, []
        self._course.record(run, [], None, held)

    # -- progress ----------------------------------------------------------------------------

    def concluded(self, attempt: Attempt, outcome: Outcome, closed: Sequence[ClosedWait]) -> None:
        """Record the outcome of an attempt of a run that is being cancelled: nothing follows."""
        run = attempt.owner
        row = self._row(attempt, outcome)
        if self._runs.attempts(run) or run not in self._cancels:
            self._course.record(run, [row], None, closed=closed)
        else:
            self._end(run, [row], closed)

    def settle(self, run: ActiveRun) -> None:
        """End or park a run that nothing is under way of."""
        if run.over or run.wish is None or self._runs.attempts(run):
            return
        if run.wish == RunStatus.CANCELLED:
            if run in self._cancels:  # else it is on its way
                self._end(run, [])
        elif not run.parked:
            run.parked = True
            seen = 0 if run.waits is None else run.waits.seen
            now, rested = self._clock.wall(), run.rested
            self._course.park(run, Park(run.id, None, now, seen, rested=rested))

    def cut_off_all(self) -> bool:
        """End all runs that are being cancelled now: the runner leaves. Whether there are any."""
        runs = list(self._cancels)
        for run in runs:
            self._course.guarded(run, self._cut_off, run)
        return bool(runs)

    def forget(self, run: ActiveRun) -> None:
        """The run is not ours any more, or has ended."""
        self._deadlines.discard(run)
        self._cancels.pop(run, None)

    def _come_to_deadline(self, run: ActiveRun) -> None:
        self._course.guarded(run, self._cut_off, run)

    def _cut_off(self, run: ActiveRun) -> None:
        """End a run whose bodies have not ended in time. A body that has ended counts, though its
        callback has not.
        """
        if run.over:
            return
        rows = []
        for attempt in self._runs.attempts(run):
            if attempt.outcome is None:
                self._attempts.tell_of_cut(attempt)
            rows.append(self._row(attempt, attempt.outcome or CutOff()))
        self._end(run, rows)

    def _row(self, attempt: Attempt, outcome: Outcome) -> AttemptRow:
        run, now = attempt.owner, self._clock.wall()
        if isinstance(outcome, Succeeded):
            row = attempt_rows.completed(attempt, outcome, now)
        elif isinstance(outcome, Raised):
            row = attempt_rows.failed(attempt, outcome, now, retry_at=None)
        else:
            row = attempt_rows.cancelled(attempt, self._cancels[run].reason, now)
        run.latest[attempt.index] = row
        return row

    def _end(
        self, run: ActiveRun, rows: list[AttemptRow], closed: Sequence[ClosedWait] = ()
    ) -> None:
        reason, now = self._cancels[run].reason, self._clock.wall()
        end = end_row(run, RunOver(RunStatus.CANCELLED, reason), None, now)
        rows += attempt_rows.cut_waits(run, reason, now)
        self._course.stop(run)
        self._course.record(run, rows, end, closed=closed)


def _ids(run: ActiveRun, event: str) -> dict[str, object]:
    """The fields of a log record about an event of a run."""
    return {"event": event, "run_id": run.id, "workflow": run.row.workflow}
