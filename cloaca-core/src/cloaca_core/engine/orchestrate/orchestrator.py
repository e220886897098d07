"""Takes each run that this runner owns from step to step: decide, launch, record, continue.

Every fact about a task takes the same way: the plan decides the consequences, the journal makes
them durable, and only then do dependents start and callers wake. ``control`` handles runs that are
paused, cancelled, waiting or failing. This module claims nothing and knows no lease.
"""

from __future__ import annotations

import logging
import math
import random
from typing import TYPE_CHECKING

from cloaca_core.engine.execute.outcome import (
    CutOff,
    Outcome,
    Raised,
    Succeeded,
    Suspended,
    raised,
)
from cloaca_core.engine.orchestrate.control import Control
from cloaca_core.engine.orchestrate.record_outcomes import RecordOutcomes
from cloaca_core.engine.orchestrate.run_records import final_context, merged_end
from cloaca_core.engine.record import attempt_rows
from cloaca_core.engine.record.watcher_reports import report_adoption
from cloaca_core.errors import InputError, MergeError, RecoveryLimitError
from cloaca_core.logs import SafeLogger
from cloaca_core.run.items.units import TASK
from cloaca_core.run.life import State
from cloaca_core.run.planner import RunOver, Step
from cloaca_core.run.reasons import Reason
from cloaca_core.run.restore import Resume, anew, resumption
from cloaca_core.run.rows import Exhausted
from cloaca_core.values.events import RUN_PAUSED, RUN_STARTED, TASK_COMPLETED, TASK_FAILED
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.states import ReasonCode, RunStatus
from cloaca_core.values.text import storable_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.execute.body_log import TaskLogs
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
    from cloaca_core.engine.orchestrate.attempts import Attempts
    from cloaca_core.engine.orchestrate.ports import Ports
    from cloaca_core.engine.orchestrate.run_facts import Guarded
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.merging.ruled_keys import Unmerged
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.engine")


class Orchestrator:
    """Belongs to the engine's loop. ``logs`` makes the logs of attempts. ``ports`` are filled in
    before the first run comes. For ``never_evicts`` see ``Control``.
    """

    def __init__(
        self,
        config: DefaultRunnerConfig,
        executor: Executor,
        journal: Journal,
        runs: ActiveRuns,
        capacity: Capacity,
        clock: Clock,
        subjects: Subjects,
        ports: Ports,
        logs: TaskLogs,
        *,
        never_evicts: bool = False,
    ) -> None:
        self._most_recoveries = config.max_recovery_attempts
        self._journal = journal
        self.runs: ActiveRuns = runs
        self._clock = clock
        self._uniform = random.Random().uniform  # noqa: S311 - jitter, no secret
        self._redact = logs.redact
        self._ports = ports
        self.control: Control = Control(
            config,
            executor,
            journal,
            runs,
            capacity,
            clock,
            self,
            ports,
            logs,
            never_evicts=never_evicts,
        )
        self.control.records.listener = RecordOutcomes(
            self.control, runs, capacity, journal, subjects, logs.redact
        )
        self.attempts: Attempts = self.control.attempts
        self._records = self.control.records
        self._ahead = self.control.launcher.ahead
        self._start_limit = self.control.limits.start
        # Features ask these of the kernel: without a call of this class in between.
        self.guarded: Guarded = self.control.guarded
        self.begin: Callable[[ActiveRun, Sequence[int]], None] = self.control.begin
        self.review: Callable[[ActiveRun], None] = self.control.review

    # -- adopt -------------------------------------------------------------------------------

    def adopt(self, run: ActiveRun) -> None:
        """Start or resume a run that this runner owns from now on."""
        self.runs.add(run)
        if run.graph.has_limits and not self._ports.limits.admits(run):
            return  # it is adopted once more when it has its place
        if self._ports.routes is not None:
            self._ports.routes.enter(run)
        if log.answers.get(logging.INFO, True):
            _tell_of_start(run)
        if self._journal.watchers:
            report_adoption(self._journal.watchers, run)
        first = run.plan.begin()
        if first.over is None:
            self._start_limit(run)
        if run.life.state is not State.OVER:
            filled = self._ports.filled(run, self._clock.wall()) if run.defaults else ()
            run.defaults = ""
            self.follow(run, first, [], filled)

    def refuse_input(self, run: ActiveRun, error: InputError) -> None:
        """End a run whose workflow does not take its input. The error quotes a value of it."""
        text = storable_text(self._redact(f"its workflow does not take this input: {error}"))
        self.refuse(run, Reason(ReasonCode.INPUT, text))

    def refuse(self, run: ActiveRun, reason: Reason, *, unreadable: bool = False) -> None:
        """End a run of ours that cannot be resumed. If its rows are ``unreadable``, the end has no
        context, not even the input.
        """
        self.runs.add(run)
        self.control.fail(run, reason, bare=unreadable)

    # -- decide ------------------------------------------------------------------------------

    def follow(
        self,
        run: ActiveRun,
        step: Step,
        attempts: list[AttemptRow],
        beside: Sequence[Beside] = (),
    ) -> None:
        """Record the rows of a fact together with its consequences, then act on them."""
        if step.skipped:
            now = self._clock.wall()
            attempts += [attempt_rows.skipped(run, task, why, now) for task, why in step.skipped]
        for row in attempts:
            run.latest[run.graph.position[row.task_id]] = row
        if step.over is not None:
            self.ended(run, step.over, attempts, beside)
        elif attempts or beside:
            ready: Sequence[int] = step.ready
            if run.route is not None and self._ports.routes is not None:
                ready = self._ports.routes.staying(run, ready)
                if not ready and self.control.moved(run, attempts, beside):
                    return
            if run.graph.has_queues:
                beside = (*beside, *self._ports.current_queue(run))
            ahead = self._ahead(run, ready)
            later = ready[len(ahead) :]
            has_nodes = run.graph.has_child_nodes and later
            if has_nodes and self._ports.open_nodes(run, attempts, later, ahead, beside):
                return
            self._records.write(run, attempts, later, ahead, beside=beside)
        else:
            self.begin(run, step.ready)

    def concluded(self, attempt: Attempt, outcome: Outcome) -> None:
        """Act on the outcome of an attempt."""
        run = attempt.owner
        if isinstance(outcome, Suspended):
            if attempt.task.limits:
                self._ports.limits.give_up(attempt)
            self._ports.waits.suspended(attempt)
            if attempt.item is not None:
                self._ports.maps.away(attempt)
            return
        beside = () if run.waits is None else self._ports.waits.ended(run, attempt.index)
        if attempt.task.limits:
            beside = (*beside, *self._ports.limits.ended(attempt))
        if run.life.state is State.CANCELLING or isinstance(outcome, CutOff):
            self.control.concluded(attempt, outcome, beside)
        elif attempt.item is not None:
            self._ports.maps.concluded(attempt, outcome, beside)
        elif isinstance(outcome, Succeeded):
            run.size_bound += len(outcome.text.encode())
            if log.answers.get(logging.DEBUG, True):
                log.debug("%s: completed", attempt, extra=attempt.log_ids(TASK_COMPLETED))
            row = attempt.record or attempt_rows.completed(attempt, outcome, self._clock.wall())
            self.follow(run, run.plan.completed(attempt.index, outcome.change), [row], beside)
        elif outcome.again:
            self.retry(attempt, outcome, beside)
        else:
            tell_of_failure(attempt, outcome)
            row = attempt_rows.failed(attempt, outcome, self._clock.wall(), retry_at=None)
            self.fail(run, attempt.index, row, str(outcome), beside)

    def fail(
        self,
        run: ActiveRun,
        task: int,
        row: AttemptRow,
        error: str,
        beside: Sequence[Beside] = (),
    ) -> None:
        """A task has failed for good. If its workflow has the policy "pause", the run pauses, and
        the plan does not learn of the failure, as the task is to be tried again. The error of a
        node may quote its context.
        """
        error, row = self._redact(error), self.clean(row)
        if not run.graph.pauses:
            self.follow(run, run.plan.failed(task, error), [row], beside)
            return
        row = attempt_rows.last(row)
        run.latest[task], run.resume[task] = row, anew(row)
        exhausted = self._exhausted(run, row, error)
        self._records.write(run, [row], [task], beside=beside, exhausted=exhausted)

    def _exhausted(self, run: ActiveRun, row: AttemptRow, error: str) -> Exhausted:
        """The pause of a run whose task has used up its attempts with ``row``."""
        reason = storable_text(f"{row.task_id} has used up its attempts: {error}")
        ids = {"event": RUN_PAUSED, "run_id": run.id, "workflow": run.row.workflow}
        ids |= {"task_id": row.task_id}
        log.warning("run %s is paused: %.500s", run.id, reason, extra=ids)
        act_id = f"exhausted{SEPARATOR}{row.task_id}{SEPARATOR}{row.attempt}"
        after_failure = (row.ended_at or 0) + 1  # the wall may have been set back since then
        return Exhausted(run.id, act_id, reason, max(self._clock.wall(), after_failure))

    def clean(self, row: AttemptRow) -> AttemptRow:
        """The row of a node that has failed, without secrets that its error quotes."""
        message = row.error_message
        return row if message is None else row._replace(error_message=self._redact(message))

    def retry(self, attempt: Attempt, failure: Raised, beside: Sequence[Beside]) -> None:
        """Another attempt follows this one, which has failed."""
        run, now = attempt.owner, self._clock.wall()
        delay = self._delay(attempt, failure)
        tell_of_failure(attempt, failure, f", again in {delay / 1e6:.10g} s")
        row = attempt_rows.failed(attempt, failure, now, retry_at=now + delay)
        run.latest[attempt.index] = row
        uncounted = attempt.uncounted + (not failure.counts)
        run.resume[attempt.index] = resumption(row, uncounted)
        self._records.write(run, [row], [attempt.index], beside=beside)

    def _delay(self, attempt: Attempt, failure: Raised) -> int:
        """µs until the next attempt: the delay that the body asked for, otherwise by the retry
        policy.
        """
        if failure.after is not None:
            return math.ceil(failure.after * 1e6)
        return attempt.task.retry.delay_ms(attempt.counted, self._uniform) * 1000

    # -- facts from the parts below ----------------------------------------------------------

    def ended(
        self,
        run: ActiveRun,
        over: RunOver,
        attempts: Sequence[AttemptRow],
        beside: Sequence[Beside] = (),
    ) -> None:
        """The run is over. ``attempts`` are its last rows."""
        try:
            context = final_context(run)
            if run.graph.merges and over.status is RunStatus.COMPLETED:
                over = merged_end(run, over)
        except Exception as error:
            log.exception("run %s cannot end as planned", run.id, extra={"run_id": run.id})
            self.control.departures.end_broken(run, error)
            return
        self.control.stop(run)
        self._records.end(run, over, context, attempts, beside)

    def decide_again(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Keys were replaced since these tasks became ready: decide again whether they start."""
        self.follow(run, run.plan.again(tasks), [])

    def cannot_merge(self, run: ActiveRun, task: int, resume: Resume, met: Unmerged) -> None:
        """Branches have met at a task with values that a rule of the workflow cannot merge."""
        name = run.graph.tasks[task].id
        error = MergeError(met.text, task_id=name, key=met.key, rule=met.rule)
        failure = raised(error, again=False)
        row = attempt_rows.failed_unstarted(run, task, resume, failure, self._clock.wall())
        self.fail(run, task, row, str(failure))

    def killed_too_often(self, run: ActiveRun, task: int, resume: Resume, blamed: int) -> None:
        """Too many processes have died in this attempt to start it again. ``blamed`` is the number
        of deaths that count against it.
        """
        alone = "" if blamed == resume.crashes else f", {blamed} of them while it ran alone"
        error = RecoveryLimitError(
            f"{resume.crashes} processes died while they ran this task{alone}; "
            f"max_recovery_attempts is {self._most_recoveries}",
            run_id=run.id,
            task_id=run.graph.tasks[task & TASK].id,
            recoveries=resume.crashes,
            limit=self._most_recoveries,
        )
        failure = raised(error, again=False)
        row = attempt_rows.failed_unstarted(run, task, resume, failure, self._clock.wall())
        if task > TASK:
            self._ports.maps.ended_without_body(run, task, row)
        else:
            self.fail(run, task, row, str(failure))


def _tell_of_start(run: ActiveRun) -> None:
    """Log that a run starts, or is resumed. It also counts as a start if its last owner released it
    before any body began; after the death of an owner that is not known, so it counts as resumed.
    """
    begun = bool(run.latest) or run.recovered
    goes_on = f"goes on, in epoch {run.epoch}" if begun else "started"
    ids = {"run_id": run.id, "workflow": run.row.workflow}
    if not begun:
        ids["event"] = RUN_STARTED
    log.info("run %s of %s: %s", run.id, run.row.workflow, goes_on, extra=ids)


def tell_of_failure(attempt: Attempt, failure: Raised, again: str = "") -> None:
    """Log the failure, for people who do not read results. A body that asks for an uncounted
    attempt may only be polling whether it can begin; a pool logs by itself that it is away.
    """
    ids = attempt.log_ids(TASK_FAILED)
    if not failure.counts:
        write = log.warning if failure.crashed else log.info
        write("%s: not counted%s: %.500s", attempt, again, failure, extra=ids)
        return
    most = attempt.uncounted + max(1, attempt.task.retry.max_attempts)
    log.warning("%s: failed, of %d%s: %.500s", attempt, most, again, failure, extra=ids)
