"""Takes each run that this runner owns from step to step: decide, execute, record, go on.

Every fact goes the same way: the plan says what follows from it, the journal makes it durable,
and only then do dependents start and waiters hear of it. Claims nothing and knows no lease.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVarTuple

from cloaca_core._engine.execute.attempt import Attempt, AttemptWork
from cloaca_core._engine.execute.callbacks import Callback, FollowUps, Judgement
from cloaca_core._engine.execute.executor import Executor
from cloaca_core._engine.execute.outcome import Outcome, Raised, Succeeded, judged, raised
from cloaca_core._engine.execute.work import LEAST_CHECK, Stage, Work
from cloaca_core._engine.orchestrate.quarantine import Quarantine
from cloaca_core._engine.orchestrate.waiting_bodies import WaitingBodies
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core._engine.plan.end_reason import overdue_message
from cloaca_core._engine.plan.planner import RunOver, Step
from cloaca_core._engine.plan.restore import FRESH, Resume
from cloaca_core._engine.record import attempt_rows
from cloaca_core._engine.record.journal import Journal, Record
from cloaca_core._engine.record.run_entry import RunEntry
from cloaca_core._engine.runtime import failpoints
from cloaca_core._engine.runtime.deadlines import Deadlines
from cloaca_core.definition.context import Context
from cloaca_core.errors import RecoveryLimitError, StoreDataError
from cloaca_core.logs import SafeLogger
from cloaca_core.records.rows import AttemptRow, RunEnd, storable_text
from cloaca_core.records.states import RunStatus
from cloaca_core.values.json_values import encode
from cloaca_core.values.no_limit import NO_LIMIT, NoLimit

if TYPE_CHECKING:
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.retry import RetryPolicy

log = SafeLogger("cloaca.engine")

Ts = TypeVarTuple("Ts")

LAUNCHES_PER_PASS: Final = 500
"""Tasks that start in one go; heartbeats go in between."""


class Orchestrator:
    """Belongs to the engine's loop, but for ``let_go`` and ``owns``. ``ended`` is called with each
    run whose end is durable, ``place_free`` when a run takes no place any more, or none for a
    while, ``slot_free`` when a body has ended.
    """

    def __init__(
        self,
        config: DefaultRunnerConfig,
        executor: Executor,
        ended: Callable[[ActiveRun, RunEnd], None],
        place_free: Callable[[], None],
    ) -> None:
        self.runs: dict[str, ActiveRun] = {}
        self.journal: Journal
        self.slot_free: Callable[[], None] = lambda: None
        self._config = config
        self._executor = executor
        self._ended = ended
        self._place_free = place_free
        self._loop = asyncio.get_running_loop()
        self._uniform = random.Random().uniform  # noqa: S311 - jitter, no secret
        slots = (config.max_concurrent_tasks, config.max_concurrent_async_tasks)
        self._most_ahead = min(config.max_concurrent_tasks, LAUNCHES_PER_PASS)
        self._quarantine = Quarantine(slots, self._mark_and_send)
        self.waiting_bodies: WaitingBodies = WaitingBodies(
            executor, self._quarantine, self._mark, self._resumed, place_free
        )
        self._follow_ups = FollowUps(executor)
        self._body_times = Deadlines(self._check_time)
        self._run_times = Deadlines(self._expire)
        self._draining = False
        self._attempt_over = asyncio.Event()

    # -- adopt and let go --------------------------------------------------------------------

    def adopt(self, run: ActiveRun) -> None:
        """Begin, or go on with, a run that is ours as of now."""
        self.runs[run.id] = run
        if log.isEnabledFor(logging.INFO):
            _tell_of_start(run)
        first = run.plan.begin()
        if self._arm_deadline(run) or first.over is not None:
            self._follow(run, first, [])
        else:
            self._expire(run)

    def refuse(self, run: ActiveRun, reason: str) -> None:
        """End a run of ours that cannot be gone on with."""
        self.runs[run.id] = run
        self._break_off(run, reason)

    def drop(self, run: ActiveRun) -> None:
        """Forget a run that is no longer ours; what its bodies still do is ignored."""
        self._stop(run)
        if self.runs.get(run.id) is run:  # it may have been claimed again meanwhile
            del self.runs[run.id]
            self._place_free()

    def owns(self, attempt: Attempt) -> bool:
        """True for an attempt of a run that is ours. Any thread may ask."""
        return self.runs.get(attempt.owner.id) is attempt.owner

    def scheduled(self) -> list[str]:
        """The runs that schedules have made: a tick may cancel those, whoever fires it."""
        return [run.id for run in self.runs.values() if run.row.schedule_id is not None]

    def drain(self) -> None:
        """Start no further body. Those that run are recorded when they end; those that wait for
        other runs, which will not end here, are given up.
        """
        self._draining = True
        for run in self.runs.values():
            for attempt in list(run.attempts.values()):
                # Asked and done in one: a queued body may be beginning at this moment.
                if self._is_away(attempt) or self._executor.abandon(attempt, even_running=False):
                    self._give_up(attempt)

    def _is_away(self, attempt: Attempt) -> bool:
        """True when its body, or what follows it, waits for another run."""
        return not attempt.holds_slot or self._follow_ups.is_away(attempt)

    async def quiet(self) -> None:
        """Return when no attempt is under way any more; to be called after ``drain``."""
        while any(run.attempts for run in self.runs.values()):
            self._attempt_over.clear()
            await self._attempt_over.wait()

    @property
    def backlog(self) -> int:
        """How many bodies wait for a slot."""
        return self._executor.backlog

    def running(self) -> list[Attempt]:
        """The attempts whose bodies run right now."""
        return [work for work in self._executor.running() if isinstance(work, Attempt)]

    def start_marks(self) -> list[AttemptRow]:
        """The start marks that are due: of bodies that run and have none yet. What is about to
        begin will want one as well.
        """
        due = [j for j in self.running() if j.holds_slot and not (j.marked or j.abandoned)]
        for attempt in due:
            attempt.marked = True
        if self._executor.is_starting:
            self.journal.mark_soon()
        return [attempt_rows.start_mark(attempt) for attempt in due]

    def marks_of(self, run_id: str) -> list[AttemptRow]:
        """The start marks of the bodies of this run that run right now, durable or not."""
        run = self.runs.get(run_id)
        attempts = [] if run is None else list(run.attempts.values())
        return [
            attempt_rows.start_mark(attempt)
            for attempt in attempts
            if attempt.stage is Stage.RUNNING
        ]

    # -- decide ------------------------------------------------------------------------------

    def _follow(self, run: ActiveRun, step: Step, attempts: list[AttemptRow]) -> None:
        """Record a fact's rows with all that follows from it, then act on it."""
        now = _now()
        attempts += [attempt_rows.skipped(run, task, reason, now) for task, reason in step.skipped]
        for row in attempts:
            run.latest[run.graph.position[row.task_id]] = row
        end = None if step.over is None else self._end(run, step.over, now)
        if not attempts and end is None:
            self.act(run, step.ready, end)
        else:
            ahead = self._ahead(run, step.ready)
            self._record(run, attempts, end, step.ready[len(ahead) :], ahead)

    def _end(self, run: ActiveRun, over: RunOver, now: int) -> RunEnd:
        context = encode(run.plan.final_context())
        self._stop(run)
        failpoints.hit("run.before_end")
        if (reason := self._too_large(run, context)) is None:
            return _run_end(run, over.status, context, over.error, now)
        reason = reason if over.error is None else f"{over.error}; {reason}"
        return _run_end(run, RunStatus.FAILED, "{}", reason, now)

    def _too_large(self, run: ActiveRun, context: str) -> str | None:
        """Why the run cannot hand this on: what several tasks hand on may be too much together."""
        most = self._config.max_context_bytes
        if run.size_bound <= most or (size := len(context.encode())) <= most:
            return None
        return f"the final context is {size} bytes long; max_context_bytes is {most}"

    def _record(
        self,
        run: ActiveRun,
        attempts: list[AttemptRow],
        end: RunEnd | None,
        ready: Sequence[int] = (),
        ahead: Sequence[Attempt] = (),
    ) -> None:
        """Have rows of a run written, and act when they are durable; the attempts that were got
        ready ahead begin even before this loop hears of it.
        """
        self.journal.add(RunEntry(self, run, attempts, end, ready, ahead))

    def act(self, run: ActiveRun, ready: Sequence[int], end: RunEnd | None) -> None:
        """Do what follows from facts that are durable."""
        if end is not None:
            failpoints.hit("run.after_end")
            if self.runs.get(run.id) is run:
                del self.runs[run.id]
            self._ended(run, end)
        elif not run.over:
            for task in ready[:LAUNCHES_PER_PASS]:
                self._launch(run, task, run.resume.pop(task, FRESH))
            if rest := ready[LAUNCHES_PER_PASS:]:
                self._loop.call_soon(self.guarded, run, self.act, run, rest, None)
            elif run.waits():
                self._place_free()

    # -- execute -----------------------------------------------------------------------------

    def _launch(self, run: ActiveRun, task: int, resume: Resume) -> None:
        delay = _delay(run.graph.tasks[task].retry, resume)
        if resume.crashes > self._config.max_recovery_attempts:
            self._refuse_to_recover(run, task, resume)
        elif delay > 0:
            again = (run, task, resume._replace(retry_at=None))
            run.retries[task] = self._loop.call_later(
                delay, self.guarded, run, self._launch, *again
            )
        elif not self._draining:
            self._start(self._attempt(run, task, resume))

    def _ahead(self, run: ActiveRun, ready: Sequence[int]) -> list[Attempt]:
        """These tasks as attempts that only wait to be let go, up to the first that has to wait for
        anything else. Of many none: they would come one by one into the commits that they could
        share. What goes wrong here is met again when they start with the record.
        """
        attempts: list[Attempt] = []
        if run.recovered or self._draining or len(ready) > self._most_ahead:
            return attempts
        try:
            for task in ready:
                if task in run.resume or not self._expect(
                    attempt := self._attempt(run, task, FRESH)
                ):
                    break
                attempts.append(attempt)
        except Exception:
            log.exception("run %s: nothing begins ahead", run.id, extra={"run_id": run.id})
            self.call_off(attempts)
            return []
        return attempts

    def _expect(self, attempt: Attempt) -> bool:
        if not self._executor.expect(attempt):
            return False
        attempt.owner.attempts[attempt.index] = attempt
        self._body_times.add(attempt, attempt.timeout)
        return True

    def let_go(self, attempts: Iterable[Attempt]) -> None:
        """Let attempts begin that were got ready ahead. Any thread may do so."""
        for attempt in attempts:
            self._executor.let_go(attempt)

    def call_off(self, attempts: Iterable[Attempt]) -> None:
        """What these attempts were got ready for will not come."""
        for attempt in attempts:
            self._give_up(attempt)

    def _attempt(self, run: ActiveRun, task: int, resume: Resume) -> Attempt:
        return Attempt(
            run,
            task,
            resume.attempt,
            run.plan.given(task),
            timeout=self._time_limit(run.graph.tasks[task].timeout_seconds),
            max_bytes=self._config.max_context_bytes,
            crashes=resume.crashes,
            finished=self._finished,
        )

    def _time_limit(self, own: float | NoLimit | None) -> float:
        """Seconds that an attempt may spend in its body, for ever as ``math.inf``."""
        if own is None:
            own = self._config.task_timeout_seconds or NO_LIMIT
        return math.inf if isinstance(own, NoLimit) else own

    def _start(self, attempt: Attempt) -> None:
        """Send an attempt off; one of a recovered run only when its start mark is durable."""
        run = attempt.owner
        run.retries.pop(attempt.index, None)
        run.attempts[attempt.index] = attempt
        if run.recovered:
            self._quarantine.add(attempt)
        else:
            self._send(attempt)

    def _mark_and_send(self, attempt: Attempt) -> None:
        if not self._draining:
            attempt.marked = True
            self._mark(attempt, attempt_rows.start_mark(attempt), partial(self._send, attempt))

    def _mark(self, attempt: Attempt, row: AttemptRow, then: Callable[[], None]) -> None:
        """Write where a body stands, and go on when that is durable."""
        self.journal.add(RunEntry(self, attempt.owner, [row], None, then=then))

    def _send(self, attempt: Attempt) -> None:
        if attempt.abandoned:
            return
        self._body_times.add(attempt, attempt.timeout)
        self._executor.submit(attempt)
        self.journal.mark_soon()

    def _check_time(self, attempt: Attempt) -> None:
        """An attempt may have used up its time: end it, or look again when it may have."""
        left = attempt.timeout - attempt.clock.spent()
        if left > 0:
            if attempt.holds_slot:  # while it waits the clock stands; ``_resumed`` arms it again
                self._body_times.add(attempt, max(left, LEAST_CHECK))
        elif self._executor.abandon(attempt):
            self.guarded(attempt.owner, self._time_out, attempt)

    def _resumed(self, work: AttemptWork) -> None:
        """What waited for another run goes on, and so does its time."""
        if work is work.attempt:
            self._check_time(work.attempt)
            self.journal.mark_soon()
        else:
            self._follow_ups.check_time(work.attempt)

    def _time_out(self, attempt: Attempt) -> None:
        error = TimeoutError("Task execution timeout")
        if callable(attempt.task.retry.condition):
            attempt.outcome = raised(error, again=False)
            then = partial(self.guarded, attempt.owner, self._conclude, attempt)
            self._follow_ups.run(Judgement(attempt, error), then)
        else:
            attempt.outcome = judged(
                attempt.task.retry, attempt.number, error, who=attempt, ids=attempt.log_ids()
            )
            self._conclude(attempt)

    # -- conclude ----------------------------------------------------------------------------

    def _finished(self, attempt: Work) -> None:
        assert isinstance(attempt, Attempt)
        self._body_times.discard(attempt)
        # Not given up while the report was on the way.
        if attempt.owner.attempts.get(attempt.index) is attempt:
            self.guarded(attempt.owner, self._conclude, attempt)

    def _conclude(self, attempt: Attempt) -> None:
        """Let the task's callback run, then record the outcome."""
        assert attempt.outcome is not None
        if (call := _callback(attempt, attempt.outcome)) is None:
            self._settle(attempt, attempt.outcome)
        else:
            then = partial(self.guarded, attempt.owner, self._settle, attempt, attempt.outcome)
            self._follow_ups.run(call, then)

    def _settle(self, attempt: Attempt, outcome: Outcome) -> None:
        run = attempt.owner
        del run.attempts[attempt.index]
        self._attempt_over.set()
        self._quarantine.over(attempt)
        self.waiting_bodies.give_up(attempt)
        self.slot_free()
        if isinstance(outcome, Succeeded):
            run.size_bound += len(outcome.text.encode())
            if log.isEnabledFor(logging.DEBUG):
                log.debug("%s: completed", attempt, extra=attempt.log_ids())
            row = attempt_rows.completed(attempt, outcome, _now())
            self._follow(run, run.plan.completed(attempt.index, outcome.change), [row])
        elif outcome.again:
            self._retry(attempt, outcome)
        else:
            _tell_of_failure(attempt, outcome)
            row = attempt_rows.failed(attempt, outcome, _now(), retry_at=None)
            self._follow(run, run.plan.failed(attempt.index, str(outcome)), [row])

    def _retry(self, attempt: Attempt, failure: Raised) -> None:
        run, now = attempt.owner, _now()
        delay = attempt.task.retry.delay_ms(attempt.number, self._uniform)
        _tell_of_failure(attempt, failure, f", again in {delay / 1000:g} s")
        row = attempt_rows.failed(attempt, failure, now, retry_at=now + delay * 1000)
        run.latest[attempt.index] = row
        run.resume[attempt.index] = Resume(attempt.number + 1, row.retry_at)
        self._record(run, [row], None, [attempt.index])

    # -- ends that are not the plan's --------------------------------------------------------

    def _refuse_to_recover(self, run: ActiveRun, task: int, resume: Resume) -> None:
        error = RecoveryLimitError(
            f"{resume.crashes} processes died while they ran this task; "
            f"max_recovery_attempts is {self._config.max_recovery_attempts}",
            run_id=run.id,
            task_id=run.graph.tasks[task].id,
            recoveries=resume.crashes,
            limit=self._config.max_recovery_attempts,
        )
        failure = raised(error, again=False)
        row = attempt_rows.failed_unstarted(run, task, resume, failure, _now())
        self._follow(run, run.plan.failed(task, str(failure)), [row])

    def _arm_deadline(self, run: ActiveRun) -> bool:
        """False when the run has passed its deadline already, before it came to us."""
        seconds = self._config.pipeline_timeout_seconds
        if seconds is None:
            return True
        run.time_limit = seconds
        spent = 0.0
        if run.epoch > 1 and run.row.started_at is not None:
            spent = max(0.0, (_now() - run.row.started_at) / 1e6)  # a clock may step back
        self._run_times.add(run, max(0.0, seconds - spent))
        return spent < seconds

    def _expire(self, run: ActiveRun) -> None:
        """The run has passed its deadline."""
        self.guarded(run, self._break_off, run, overdue_message(run.time_limit))

    def unstorable(self, run: ActiveRun, record: Record, error: StoreDataError) -> None:
        """The database will not take this record of the run."""
        log.error("run %s: a record was refused: %s", run.id, error, extra={"run_id": run.id})
        reason = storable_text(f"a result could not be stored: {error}")
        if not run.over:
            self._break_off(run, reason)
        elif record.end is None:
            return  # the end is on its way
        elif record.attempts or record.end.final_context != "{}":
            self._end_bare(run, reason)
        else:
            self.drop(run)  # not even that: it is for whoever can repair the database

    def guarded(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take a step of a run, which ends if that fails by a flaw of ours."""
        try:
            step(*args)
        except Exception as error:
            log.exception("run %s cannot go on", run.id, extra={"run_id": run.id})
            self.broken(run, error)

    def broken(self, run: ActiveRun, error: Exception) -> None:
        """A step of the run failed by a flaw of ours: it ends rather than hang."""
        if not run.over and self.runs.get(run.id) is run:
            self._stop(run)
            self._end_bare(run, storable_text(f"internal error: {error!r}"))

    def _end_bare(self, run: ActiveRun, reason: str) -> None:
        """The run must end all the same, so without what was refused."""
        self._record(run, [], _run_end(run, RunStatus.FAILED, "{}", reason, _now()))

    def _break_off(self, run: ActiveRun, reason: str) -> None:
        if not run.over:
            cut = [
                attempt_rows.cancelled(attempt, reason, _now()) for attempt in run.attempts.values()
            ]
            self._follow(run, Step(over=RunOver(RunStatus.FAILED, reason)), cut)

    def _stop(self, run: ActiveRun) -> None:
        """Nothing more is to come of this run's bodies and timers."""
        run.over = True
        self._run_times.discard(run)
        for timer in run.retries.values():
            timer.cancel()
        run.retries.clear()
        for attempt in list(run.attempts.values()):
            self._give_up(attempt)

    def _give_up(self, attempt: Attempt) -> None:
        self._body_times.discard(attempt)
        attempt.owner.attempts.pop(attempt.index, None)
        self._attempt_over.set()
        self._quarantine.over(attempt)
        if not attempt.abandoned:
            self._executor.abandon(attempt)
        self._follow_ups.give_up(attempt)
        self.waiting_bodies.give_up(attempt)


def _run_end(
    run: ActiveRun, status: RunStatus, context: str, error: str | None, now: int
) -> RunEnd:
    return RunEnd(run.id, run.epoch, status.value, context, error, now, run.row.schedule_id)


def _callback(attempt: Attempt, outcome: Outcome) -> Callback | None:
    """The call of the task's callback for this outcome, if it has one."""
    task = attempt.task
    if isinstance(outcome, Succeeded):
        if task.on_success is None:
            return None
        after = {k: v for k, v in attempt.given.items() if k not in outcome.change.removed}
        arguments = (task.id, Context._view(after | dict(outcome.change.set)))
        return Callback(attempt, "on_success", task.on_success, arguments)
    if task.on_failure is None:
        return None
    failed = (task.id, str(outcome), Context._view(attempt.given))
    return Callback(attempt, "on_failure", task.on_failure, failed)


def _tell_of_start(run: ActiveRun) -> None:
    """Log that a run starts, or goes on. One that its last owner released before any body began
    starts; of one whose owner has died that is not known.
    """
    begun = bool(run.latest) or run.recovered
    goes_on = f"goes on, in epoch {run.epoch}" if begun else "started"
    ids = {"run_id": run.id, "workflow": run.row.workflow}
    log.info("run %s of %s: %s", run.id, run.row.workflow, goes_on, extra=ids)


def _tell_of_failure(attempt: Attempt, failure: Raised, again: str = "") -> None:
    """Say it to those as well who look at no result."""
    most = max(1, attempt.task.retry.max_attempts)
    log.warning(
        "%s: failed, of %d%s: %.500s", attempt, most, again, failure, extra=attempt.log_ids()
    )


def _delay(policy: RetryPolicy, resume: Resume) -> float:
    """Seconds until the attempt may start, whatever an earlier owner's clock showed: no longer
    than the policy can have asked for.
    """
    if resume.retry_at is None:
        return 0.0
    longest = policy.delay_ms(resume.attempt - 1, max) / 1000
    return min((resume.retry_at - _now()) / 1e6, longest)


def _now() -> int:
    """Wall time in µs since 1970."""
    return time.time_ns() // 1000
