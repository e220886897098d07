"""Ends runs that cannot go on by plan: deadlines, errors in the engine, values no database takes.

Such a run ends with the reason, rather than hang.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVarTuple

from cloaca_core._engine.execute.outcome import raised
from cloaca_core._engine.plan.deadline import deadline_of
from cloaca_core._engine.plan.planner import RunOver, Step
from cloaca_core._engine.plan.reasons import Reason, overdue
from cloaca_core._engine.record import attempt_rows
from cloaca_core._engine.record.end_row import end_row
from cloaca_core._engine.runtime.deadlines import Deadlines
from cloaca_core._engine.runtime.store_clock import seconds_early
from cloaca_core.errors import RecoveryLimitError
from cloaca_core.logs import SafeLogger
from cloaca_core.records.runs import AttemptRow, RunEnd
from cloaca_core.records.states import ReasonCode, RunStatus
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core._engine.plan.restore import Resume
    from cloaca_core._engine.record.run_entry import RunEntry
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.errors import StoreError
    from cloaca_core.telemetry.redaction import Redact
    from cloaca_core.values.clock import Clock

log = SafeLogger("cloaca.engine")

Ts = TypeVarTuple("Ts")


class RunSteps(Protocol):
    """The steps of a run that failures cause; the orchestrator takes them."""

    def follow(self, run: ActiveRun, step: Step, attempts: list[AttemptRow]) -> None:
        """Record the rows of a fact together with its consequences, then act on them."""

    def fail(self, run: ActiveRun, task: int, row: AttemptRow, error: str) -> None:
        """A task has failed for good."""

    def record(self, run: ActiveRun, attempts: list[AttemptRow], end: RunEnd) -> None:
        """Have the end of a run written, and act when it is durable."""

    def stop(self, run: ActiveRun) -> None:
        """Stop its bodies and timers; their outcomes are ignored."""

    def drop(self, run: ActiveRun) -> None:
        """Forget a run that is no longer ours."""

    def guarded(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take a step of a run; an error in the engine ends the run."""


class Failures:
    """Belongs to the engine's loop. ``redact`` hides secrets in errors."""

    def __init__(
        self,
        config: DefaultRunnerConfig,
        runs: ActiveRuns,
        clock: Clock,
        steps: RunSteps,
        redact: Redact,
    ) -> None:
        self._config = config
        self._runs = runs
        self._clock = clock
        self._steps = steps
        self._redact = redact
        self._run_times = Deadlines(self._time_is_up)

    # -- time --------------------------------------------------------------------------------

    def arm_deadline(self, run: ActiveRun) -> bool:
        """Start the run's deadline; false when it passed before the run came to us."""
        self._count_rest(run)
        if run.paused_at is not None:
            run.stood_still += max(0, self._clock.wall() - run.paused_at)
            run.paused_at = None
        limit, spent = self._config.pipeline_timeout_seconds, self._spent(run)
        run.deadline = deadline = deadline_of(run.row, run.stood_still, run.graph.time_limit, limit)
        if deadline is None:
            return True
        left = deadline.seconds - spent
        self._run_times.add(run, max(0.0, left))
        if left <= 0:
            self._expire(run)
            return False
        return True

    def stop_limit(self, run: ActiveRun) -> None:
        """The deadline stands still until it is armed again: the run is paused. The table counts
        that time; it may have begun a moment before, of which a rest then counts twice.
        """
        self._count_rest(run)
        run.paused_at = self._clock.wall()
        self.disarm(run)

    def rest(self, run: ActiveRun) -> None:
        """The deadline stands still: the run rests."""
        if run.rests_since is None:
            run.rests_since = self._clock.wall()
            self.disarm(run)

    def go_on(self, run: ActiveRun) -> None:
        """The run rests no more."""
        if run.rests_since is not None:
            self.arm_deadline(run)

    def _count_rest(self, run: ActiveRun) -> None:
        if run.rests_since is not None:
            rested = max(0, self._clock.wall() - run.rests_since)
            run.stood_still += rested
            run.rested += rested
            run.rests_since = None

    def _spent(self, run: ActiveRun) -> float:
        """Seconds since the run was started, but for those in which it stood still; by the clock on
        the wall, which may step back. One that was just made has all its time.
        """
        if run.row.started_at is None or (run.epoch <= 1 and run.deadline is None):
            return 0.0
        return max(0.0, (self._clock.wall() - run.row.started_at - run.stood_still) / 1e6)

    def disarm(self, run: ActiveRun) -> None:
        """The run needs no deadline any more."""
        self._run_times.discard(run)

    def _time_is_up(self, run: ActiveRun) -> None:
        """The timer of a run has ended: so does the run, unless its deadline is still ahead."""
        assert run.deadline is not None
        if early := seconds_early(self._clock, run.deadline.at):
            self._run_times.add(run, early)
        else:
            self._expire(run)

    def _expire(self, run: ActiveRun) -> None:
        """The run has passed its deadline."""
        assert run.deadline is not None
        self._steps.guarded(run, self.break_off, run, overdue(run.deadline))

    # -- refusals ----------------------------------------------------------------------------

    def killed_too_often(self, run: ActiveRun, task: int, resume: Resume, blamed: int) -> None:
        """Too many processes have died in this attempt for it to be started again; so many of those
        deaths count against it.
        """
        alone = "" if blamed == resume.crashes else f", {blamed} of them while it ran alone"
        error = RecoveryLimitError(
            f"{resume.crashes} processes died while they ran this task{alone}; "
            f"max_recovery_attempts is {self._config.max_recovery_attempts}",
            run_id=run.id,
            task_id=run.graph.tasks[task].id,
            recoveries=resume.crashes,
            limit=self._config.max_recovery_attempts,
        )
        failure = raised(error, again=False)
        row = attempt_rows.failed_unstarted(run, task, resume, failure, self._clock.wall())
        self._steps.fail(run, task, row, str(failure))

    def unstorable(self, entry: RunEntry, error: StoreError) -> None:
        """The database will not take these rows of a run."""
        run = entry.run
        log.error("run %s: a record was refused: %s", run.id, error, extra={"run_id": run.id})
        text = storable_text(self._redact(f"a result could not be stored: {error}"))
        reason = Reason(ReasonCode.UNSTORABLE, text)
        if not run.over:
            self.break_off(run, reason)
        elif entry.end is None:
            return  # the end is on its way
        elif entry.attempts or entry.end.final_context != "{}":
            self.end_bare(run, reason)
        else:
            self._steps.drop(run)  # not even the bare end can be written: a person must help

    # -- errors in the engine ----------------------------------------------------------------

    def broken(self, run: ActiveRun, error: Exception) -> None:
        """End a run of which a step failed by an error in the engine, rather than let it hang."""
        if not run.over and self._runs.get(run.id) is run:
            self._steps.stop(run)
            text = storable_text(self._redact(f"internal error: {error!r}"))
            self.end_bare(run, Reason(ReasonCode.INTERNAL_ERROR, text))

    def break_off(self, run: ActiveRun, reason: Reason) -> None:
        """End a run that is not over yet, and cancel its attempts."""
        if not run.over:
            attempts, now = self._runs.attempts(run), self._clock.wall()
            cut = [attempt_rows.cancelled(each, reason, now) for each in attempts]
            cut += attempt_rows.cut_waits(run, reason, now)
            self._steps.follow(run, Step(over=RunOver(RunStatus.FAILED, reason)), cut)

    def end_bare(self, run: ActiveRun, reason: Reason) -> None:
        """End the run without its context, which may be what the database refused."""
        over = RunOver(RunStatus.FAILED, reason)
        self._steps.record(run, [], end_row(run, over, "{}", self._clock.wall()))
