"""Takes each run that this runner owns from step to step: decide, launch, record, go on.

Every fact goes the same way: the plan decides the consequences, the journal makes them durable,
and only then do dependents start and waiters wake (``next_steps``). Claims nothing and knows no
lease.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVarTuple

from cloaca_core._engine.execute.attempt import Attempt
from cloaca_core._engine.execute.outcome import CutOff, Outcome, Raised, Succeeded, Suspended
from cloaca_core._engine.orchestrate.attempts import Attempts
from cloaca_core._engine.orchestrate.failures import Failures
from cloaca_core._engine.orchestrate.launcher import Launcher
from cloaca_core._engine.orchestrate.next_steps import NextSteps
from cloaca_core._engine.orchestrate.resting_runs import RestingRuns
from cloaca_core._engine.orchestrate.steered_runs import SteeredRuns
from cloaca_core._engine.orchestrate.waiting_runs import WaitingRuns
from cloaca_core._engine.plan.planner import RunOver, Step
from cloaca_core._engine.plan.reasons import Reason
from cloaca_core._engine.plan.restore import Resume, anew, resumption
from cloaca_core._engine.record import attempt_rows
from cloaca_core._engine.record.end_row import end_row
from cloaca_core._engine.record.follow_up_rows import follow_up_rows
from cloaca_core._engine.record.memo_entry import MemoEntry
from cloaca_core._engine.record.run_entry import RunEntry
from cloaca_core._engine.record.telling import tell_of_adoption
from cloaca_core._engine.record.timeout_entry import TimeoutEntry
from cloaca_core._engine.record.wait_rows import WaitRows
from cloaca_core._engine.runtime import failpoints
from cloaca_core._engine.wait.body_waits import BodyWaits
from cloaca_core._engine.wait.waits import Waits
from cloaca_core.logs import SafeLogger
from cloaca_core.records.runs import AttemptRow, Park, RunEnd
from cloaca_core.records.states import ReasonCode, RunStatus
from cloaca_core.telemetry.events import RUN_STARTED, TASK_COMPLETED, TASK_FAILED
from cloaca_core.values.json_values import encode

if TYPE_CHECKING:
    from cloaca_core._engine.execute.asked_wait import AskedWait
    from cloaca_core._engine.execute.attempt import TaskLogs
    from cloaca_core._engine.execute.executor import Executor
    from cloaca_core._engine.execute.steps import Tell
    from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core._engine.orchestrate.capacity import Capacity
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core._engine.record.journal import Journal
    from cloaca_core._engine.record.memos import BodyCall
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.records.follow_ups import NewFollowUp
    from cloaca_core.records.memos import MemoRow
    from cloaca_core.records.waits import ClosedWait, WaitTimeout
    from cloaca_core.store.protocol import Store
    from cloaca_core.values.clock import Clock

log = SafeLogger("cloaca.engine")

Ts = TypeVarTuple("Ts")


class Orchestrator:
    """Belongs to the engine's loop. ``ended``, ``wished`` and ``given_back`` are called as
    ``NextSteps`` says. ``new_id`` makes ids of runs that follow others, ``logs`` those of
    attempts. It ``keeps`` runs that wait if nobody here would claim them again.
    """

    def __init__(
        self,
        config: DefaultRunnerConfig,
        executor: Executor,
        journal: Journal,
        runs: ActiveRuns,
        capacity: Capacity,
        clock: Clock,
        ended: Callable[[ActiveRun, RunEnd | None], None],
        wished: Callable[[], None],
        given_back: Callable[[], None],
        store: Store,
        new_id: Callable[[], str],
        logs: TaskLogs,
        *,
        keeps: bool = False,
    ) -> None:
        self._config = config
        self._journal = journal
        self.runs: ActiveRuns = runs
        self._capacity = capacity
        self._clock = clock
        self._new_id = new_id
        self._uniform = random.Random().uniform  # noqa: S311 - jitter, no secret
        self._redact = logs.redact
        self._failures = Failures(config, runs, clock, self, logs.redact)
        self.attempts: Attempts = Attempts(
            executor, journal, runs, capacity, self, store.memos, logs
        )
        self._launcher = Launcher(config, self.attempts, runs, capacity, clock, self)
        self.steered: SteeredRuns = SteeredRuns(runs, self._launcher, self.attempts, clock, self)
        self._resting = RestingRuns(runs, self._failures)
        self._bodies = BodyWaits(
            config.evict_after_seconds,
            self.attempts.memos,
            self.attempts.waiting_bodies,
            self._looks_again,
        )
        self.waits: Waits = Waits(
            store, config.evict_after_seconds, runs, clock, self._bodies, self
        )
        self.waiting_runs: WaitingRuns = WaitingRuns(
            config, self._launcher, runs, clock, capacity.changed, self, keeps=keeps
        )
        self._next_steps = NextSteps(
            journal,
            runs,
            self.attempts,
            self._launcher,
            self._resting,
            self.waiting_runs,
            self.steered,
            self._failures,
            ended,
            wished,
            given_back,
            self.waits,
            self,
        )

    # -- adopt and let go --------------------------------------------------------------------

    def adopt(self, run: ActiveRun) -> None:
        """Begin or resume a run that is ours from now on."""
        self.runs.add(run)
        if log.isEnabledFor(logging.INFO):
            _tell_of_start(run)
        if self._journal.watchers:
            tell_of_adoption(self._journal.watchers, run)
        first = run.plan.begin()
        if first.over is not None or self._failures.arm_deadline(run):
            self.follow(run, first, [])

    def refuse(self, run: ActiveRun, reason: Reason) -> None:
        """End a run of ours that cannot go on."""
        self.runs.add(run)
        self._failures.break_off(run, reason)

    def refuse_unreadable(self, run: ActiveRun, reason: Reason) -> None:
        """End a run of ours whose rows cannot be read: it keeps no context, not even its input."""
        self.runs.add(run)
        self.stop(run)
        self._failures.end_bare(run, reason)

    def drop(self, run: ActiveRun) -> None:
        """Forget a run that is no longer ours; outcomes of its bodies are ignored."""
        self.stop(run)
        if self.runs.remove(run):
            self._capacity.changed()

    def tell_of_rests(self) -> bool:
        """Give runs back of whose rests only this runner knows, as it leaves; whether any are."""
        for run in self.runs:
            self.guarded(run, self.waiting_runs.leave, run)
        return any(run.parked for run in self.runs)

    def stop(self, run: ActiveRun) -> None:
        """Stop this run's bodies and timers; their outcomes are ignored."""
        run.over = True
        self._failures.disarm(run)
        if run.wish is not None:
            self.steered.forget(run)
        if run.waits is not None:
            self.waits.forget(run)
        self._launcher.stop(run)

    def stop_limit(self, run: ActiveRun) -> None:
        """The time limit of the run stands still."""
        self._failures.stop_limit(run)

    def start_limit(self, run: ActiveRun) -> None:
        """The time limit of the run goes on."""
        self._failures.arm_deadline(run)

    # -- decide ------------------------------------------------------------------------------

    def follow(
        self,
        run: ActiveRun,
        step: Step,
        attempts: list[AttemptRow],
        closed: Sequence[ClosedWait] = (),
    ) -> None:
        """Record the rows of a fact together with its consequences, then act on them."""
        if step.skipped:
            now = self._clock.wall()
            attempts += [attempt_rows.skipped(run, task, why, now) for task, why in step.skipped]
        for row in attempts:
            run.latest[run.graph.position[row.task_id]] = row
        end = None if step.over is None else self._end(run, step.over)
        if not attempts and end is None:
            self._next_steps.launch(run, step.ready)
        else:
            ahead = self._launcher.ahead(run, step.ready)
            self.record(run, attempts, end, step.ready[len(ahead) :], ahead, closed)

    def _end(self, run: ActiveRun, over: RunOver) -> RunEnd:
        contexts = run.plan.contexts
        final, now = contexts.final(), self._clock.wall()
        context = None if final is contexts.input else encode(final)
        self.stop(run)
        failpoints.hit("run.before_end")
        if (too_large := self._too_large(run, context)) is None:
            return end_row(run, over, context, now)
        reason, first = too_large, over.reason
        if first is not None:
            reason = replace(first, text=f"{first.text}; {too_large.text}")
        return end_row(run, RunOver(RunStatus.FAILED, reason), "{}", now)

    def _too_large(self, run: ActiveRun, context: str | None) -> Reason | None:
        """The reason if the final context is too large: several tasks together may exceed it."""
        most, handed_on = self._config.max_context_bytes, context or run.row.input
        if run.size_bound <= most or (size := len(handed_on.encode())) <= most:
            return None
        text = f"the final context is {size} bytes long; max_context_bytes is {most}"
        return Reason(ReasonCode.CONTEXT_TOO_LARGE, text)

    def concluded(self, attempt: Attempt, outcome: Outcome) -> None:
        """Act on the outcome of an attempt."""
        run = attempt.owner
        closed = () if run.waits is None else self._closed(attempt, outcome)
        if isinstance(outcome, Suspended):
            self.waits.has_left(attempt)
        elif run.wish == RunStatus.CANCELLED or isinstance(outcome, CutOff):
            self.steered.concluded(attempt, outcome, closed)
        elif isinstance(outcome, Succeeded):
            run.size_bound += len(outcome.text.encode())
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s: completed", attempt, extra=attempt.log_ids(TASK_COMPLETED))
            row = attempt_rows.completed(attempt, outcome, self._clock.wall())
            self.follow(run, run.plan.completed(attempt.index, outcome.change), [row], closed)
        elif outcome.again:
            self._retry(attempt, outcome, closed)
        else:
            _tell_of_failure(attempt, outcome)
            row = attempt_rows.failed(attempt, outcome, self._clock.wall(), retry_at=None)
            self.fail(run, attempt.index, row, str(outcome), closed)

    def _closed(self, attempt: Attempt, outcome: Outcome) -> Sequence[ClosedWait]:
        """The waits that end with an attempt."""
        if isinstance(outcome, Suspended):
            return ()
        return self.waits.close_of(attempt.owner, attempt.index)

    def fail(
        self,
        run: ActiveRun,
        task: int,
        row: AttemptRow,
        error: str,
        closed: Sequence[ClosedWait] = (),
    ) -> None:
        """A task has failed for good. By the policy of its workflow the run pauses for it; then the
        plan does not learn of it, as the task is to be tried again. The error of a node may quote
        its context.
        """
        error, row = self._redact(error), self._clean(row)
        if not run.graph.pauses:
            self.follow(run, run.plan.failed(task, error), [row], closed)
            return
        row = attempt_rows.last(row)
        run.latest[task], run.resume[task] = row, anew(row)
        exhausted = self.steered.exhausted(run, row, error)
        rows = _rows(closed)
        self._journal.add(
            RunEntry(self._next_steps, run, [row], None, [task], exhausted=exhausted, waits=rows)
        )

    def _clean(self, row: AttemptRow) -> AttemptRow:
        message = row.error_message
        return row if message is None else row._replace(error_message=self._redact(message))

    def _retry(self, attempt: Attempt, failure: Raised, closed: Sequence[ClosedWait]) -> None:
        run, now = attempt.owner, self._clock.wall()
        delay = self._delay(attempt, failure)
        _tell_of_failure(attempt, failure, f", again in {delay / 1e6:.10g} s")
        row = attempt_rows.failed(attempt, failure, now, retry_at=now + delay)
        run.latest[attempt.index] = row
        uncounted = attempt.uncounted + (not failure.counts)
        run.resume[attempt.index] = resumption(row, uncounted)
        self.record(run, [row], None, [attempt.index], closed=closed)

    def _delay(self, attempt: Attempt, failure: Raised) -> int:
        """µs until the next attempt: as long as the body asked for, else by the retry policy."""
        if failure.after is not None:
            return math.ceil(failure.after * 1e6)
        return attempt.task.retry.delay_ms(attempt.counted, self._uniform) * 1000

    def decide_again(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Keys were replaced since these tasks were ready: decide anew whether they start."""
        self.follow(run, run.plan.again(tasks), [])

    def killed_too_often(self, run: ActiveRun, task: int, resume: Resume, blamed: int) -> None:
        """Too many processes have died in this attempt for it to be started again; so many of those
        deaths count against it.
        """
        self._failures.killed_too_often(run, task, resume, blamed)

    def guarded(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take a step of a run; an error in the engine ends the run."""
        try:
            step(*args)
        except Exception as error:
            log.exception("run %s cannot go on", run.id, extra={"run_id": run.id})
            self._failures.broken(run, error)

    # -- record ------------------------------------------------------------------------------

    def record(
        self,
        run: ActiveRun,
        attempts: list[AttemptRow],
        end: RunEnd | None,
        ready: Sequence[int] = (),
        ahead: Sequence[Attempt] = (),
        closed: Sequence[ClosedWait] = (),
    ) -> None:
        """Have rows of a run written, and act when they are durable; the attempts prepared ahead
        begin even before this loop is told. With its end all its waits are closed.
        """
        follow_ups: Sequence[NewFollowUp] = ()
        if end is not None and run.graph.when_ended:
            follow_ups = follow_up_rows(run, end, self._new_id)
        if end is not None and run.waits is not None:
            closed = [*closed, *self.waits.close_all(run)]
        self._journal.add(
            RunEntry(
                self._next_steps,
                run,
                attempts,
                end,
                ready,
                ahead,
                follow_ups=follow_ups,
                waits=_rows(closed),
            )
        )

    def note(
        self,
        run: ActiveRun,
        attempts: Sequence[AttemptRow],
        waits: WaitRows | None,
        then: Callable[[], None],
    ) -> None:
        """Have rows of a run written that cause no step by themselves, and call ``then`` when they
        are durable.
        """
        self._journal.add(RunEntry(self._next_steps, run, attempts, None, then=then, waits=waits))

    def mark(self, attempt: Attempt, row: AttemptRow, then: Callable[[], None]) -> None:
        """Write the state of a body, and call ``then`` when that is durable."""
        self._journal.add(RunEntry(self._next_steps, attempt.owner, [row], None, then=then))

    def keep(
        self,
        attempt: Attempt,
        memo: MemoRow,
        marks: Sequence[AttemptRow],
        tell: Tell,
        then: Callable[[], None],
    ) -> None:
        """Write a memo and these states of its body, tell the body, and call ``then``."""
        self._journal.add(MemoEntry(self._next_steps, attempt.owner, memo, marks, tell, then))

    def time_out(
        self, run: ActiveRun, timeout: WaitTimeout, decided: Callable[[bool], None]
    ) -> None:
        """Have it decided whether the time of a wait is over, and call ``decided`` with that."""
        self._journal.add(TimeoutEntry(self._next_steps, run, timeout, decided))

    # -- waits -------------------------------------------------------------------------------

    def takes_wait(self, run: ActiveRun, task: int, resume: Resume) -> bool:
        """Whether a task waits in place of starting: a node, or one whose body has left."""
        return self.waits.takes(run, task, resume)

    def wait(self, call: BodyCall, asked: AskedWait) -> None:
        """A body waits for an instant or a message, without its slot."""
        self.guarded(call.attempt.owner, self.waits.begin, call, asked)

    def _looks_again(self, run: ActiveRun) -> None:
        """A body waits no more: its run may rest no more."""
        self.guarded(run, self._resting.look, run)

    def defer(self, call: BodyCall, seconds: float) -> None:
        """A body waits for so many seconds, without its slot."""
        self._bodies.defer(call, seconds)

    def withdraw(self, call: BodyCall) -> None:
        """A body has cut its own wait off."""
        self.waits.withdraw(call)

    def launch(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Start these tasks."""
        self._next_steps.launch(run, tasks)

    def settle(self, run: ActiveRun) -> None:
        """Give the run back, or end it, if nothing of it can go on for now."""
        self._next_steps.settle(run)

    def park(self, run: ActiveRun, park: Park) -> None:
        """Have a run given back, and forget it when that is durable."""
        self._journal.add(RunEntry(self._next_steps, run, [], None, park=park))


def _rows(closed: Sequence[ClosedWait]) -> WaitRows | None:
    return WaitRows(closed=closed) if closed else None


def _tell_of_start(run: ActiveRun) -> None:
    """Log that a run starts, or goes on. It starts as well if its last owner released it before any
    body began; after the death of an owner that is not known, so it goes on.
    """
    begun = bool(run.latest) or run.recovered
    goes_on = f"goes on, in epoch {run.epoch}" if begun else "started"
    ids = {"run_id": run.id, "workflow": run.row.workflow}
    if not begun:
        ids["event"] = RUN_STARTED
    log.info("run %s of %s: %s", run.id, run.row.workflow, goes_on, extra=ids)


def _tell_of_failure(attempt: Attempt, failure: Raised, again: str = "") -> None:
    """Log the failure, also for people who look at no result. A body that asks for an attempt that
    does not count may only be looking whether it can begin; a pool tells itself that it is away.
    """
    ids = attempt.log_ids(TASK_FAILED)
    if not failure.counts:
        write = log.warning if failure.crashed else log.info
        write("%s: not counted%s: %.500s", attempt, again, failure, extra=ids)
        return
    most = attempt.uncounted + max(1, attempt.task.retry.max_attempts)
    log.warning("%s: failed, of %d%s: %.500s", attempt, most, again, failure, extra=ids)
