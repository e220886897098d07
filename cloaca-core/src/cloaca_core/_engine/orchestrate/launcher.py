"""Starts the attempts of runs, and hands on the outcome of each.

An attempt waits for its time, for its turn if its run has lost a process before, and for a slot;
then its body and its follow-ups run. The listener decides what the outcome means for the run.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVarTuple

from cloaca_core._engine.execute.attempt import Attempt, AttemptWork
from cloaca_core._engine.execute.callbacks import Callback, FollowUps, Judgement
from cloaca_core._engine.execute.outcome import CutOff, Outcome, Succeeded, judged, raised
from cloaca_core._engine.execute.work import LEAST_CHECK, Work
from cloaca_core._engine.orchestrate.quarantine import Quarantine
from cloaca_core._engine.orchestrate.waiting_bodies import WaitingBodies
from cloaca_core._engine.plan.restore import FRESH, Resume
from cloaca_core._engine.record import attempt_rows
from cloaca_core._engine.record.run_entry import RunEntry, RunListener
from cloaca_core._engine.runtime.deadlines import Deadlines
from cloaca_core.definition.context import Context
from cloaca_core.logs import SafeLogger
from cloaca_core.values.instants import SECOND
from cloaca_core.values.no_limit import NO_LIMIT, NoLimit

if TYPE_CHECKING:
    from cloaca_core._engine.execute.executor import Executor
    from cloaca_core._engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core._engine.orchestrate.capacity import Capacity
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core._engine.record.journal import Journal
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.records.runs import AttemptRow
    from cloaca_core.values.clock import Clock

log = SafeLogger("cloaca.engine")

Ts = TypeVarTuple("Ts")

LAUNCHES_PER_PASS: Final = 500
"""Tasks that start in one go; heartbeats run in between."""


class LaunchListener(RunListener, Protocol):
    """Decides what follows for the run."""

    def guarded(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take a step of a run; an error in the engine ends the run."""

    def concluded(self, attempt: Attempt, outcome: Outcome) -> None:
        """The attempt has ended with this outcome."""

    def decide_again(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Keys were replaced since these tasks were ready: decide anew whether they start."""

    def killed_too_often(self, run: ActiveRun, task: int, resume: Resume) -> None:
        """Too many processes have died in this attempt for it to be started again."""


class Launcher:
    """Belongs to the engine's loop, but for ``let_go``."""

    def __init__(
        self,
        config: DefaultRunnerConfig,
        executor: Executor,
        journal: Journal,
        runs: ActiveRuns,
        capacity: Capacity,
        clock: Clock,
        listener: LaunchListener,
    ) -> None:
        self._config = config
        self._executor = executor
        self._journal = journal
        self._runs = runs
        self._capacity = capacity
        self._clock = clock
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        slots = (config.max_concurrent_tasks, config.max_concurrent_async_tasks)
        self._most_ahead = min(config.max_concurrent_tasks, LAUNCHES_PER_PASS)
        self._quarantine = Quarantine(slots, self._mark_and_send)
        self.waiting_bodies: WaitingBodies = WaitingBodies(
            executor, self._quarantine, runs, self._mark, self._resumed, capacity.changed
        )
        self._follow_ups = FollowUps(executor)
        self._body_times = Deadlines(self._check_time)
        self._retries: dict[ActiveRun, dict[int, tuple[asyncio.TimerHandle, Resume]]] = {}
        self._draining = False
        self._attempt_over = asyncio.Event()

    # -- launch ------------------------------------------------------------------------------

    def launch(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Start or resume these tasks; of a large number, the rest in later passes of the loop."""
        if run.over:
            return
        if run.wish is not None or run.parked:
            run.held += tasks
            return
        if outdated := run.plan.contexts.outdated(tasks):
            self._listener.decide_again(run, outdated)
            tasks = [task for task in tasks if task not in outdated]
        for task in tasks[:LAUNCHES_PER_PASS]:
            self._launch(run, task, run.resume.pop(task, FRESH))
        if rest := tasks[LAUNCHES_PER_PASS:]:
            self._loop.call_soon(self._listener.guarded, run, self.launch, run, rest)
        elif self._runs.only_waits(run):
            self._capacity.changed()

    def _launch(self, run: ActiveRun, task: int, resume: Resume) -> None:
        delay = 0.0
        if resume.retry_at is not None:
            delay = _delay(resume.retry_at, resume.delay, self._clock.wall())
        if resume.crashes > self._config.max_recovery_attempts:
            self._listener.killed_too_often(run, task, resume)
        elif delay > 0:
            self._launch_later(run, task, resume, delay)
        elif not self._draining:
            self._start(self._attempt(run, task, resume))

    def _launch_later(self, run: ActiveRun, task: int, resume: Resume, delay: float) -> None:
        retry = partial(self._retry_is_due, run, task, resume._replace(retry_at=None))
        timer = self._loop.call_later(delay, self._listener.guarded, run, retry)
        due_at = self._clock.wall() + round(delay * SECOND)
        self._retries.setdefault(run, {})[task] = (timer, resume._replace(retry_at=due_at))

    def _retry_is_due(self, run: ActiveRun, task: int, resume: Resume) -> None:
        waiting = self._retries[run]
        del waiting[task]
        if not waiting:
            del self._retries[run]
        self._launch(run, task, resume)

    def has_retries(self, run: ActiveRun) -> bool:
        """Whether attempts of this run wait for their time."""
        return run in self._retries

    def retries(self, run: ActiveRun) -> dict[int, int]:
        """When the next attempts are due that wait for their time: instants by task."""
        waiting = self._retries.get(run)
        if not waiting:
            return {}
        return {
            task: due.retry_at for task, (_, due) in waiting.items() if due.retry_at is not None
        }

    def ahead(self, run: ActiveRun, ready: Sequence[int]) -> list[Attempt]:
        """Prepare attempts of these tasks that may begin on the committing thread, up to the first
        that must wait for anything else. If there are many tasks, it prepares no attempt: their
        starts would split the commits that they could share. A task that fails here fails again at
        its normal start.
        """
        attempts: list[Attempt] = []
        if run.recovered or self._draining or len(ready) > self._most_ahead or run.wish:
            return attempts
        try:
            for task in ready:
                if task in run.resume:
                    break
                if not self._expect(attempt := self._attempt(run, task, FRESH)):
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
        attempt.ahead = True
        self._runs.begin(attempt)
        self._body_times.add(attempt, attempt.timeout)
        return True

    def let_go(self, attempts: Iterable[Attempt]) -> None:
        """Let attempts begin that were prepared ahead. Any thread may do so."""
        for attempt in attempts:
            attempt.ahead = False
            self._executor.let_go(attempt)

    def landed(self, run: ActiveRun, attempts: Iterable[Attempt]) -> None:
        """The record is durable ahead of which these attempts were prepared, and their run has been
        steered since: hold those that have not begun, and tell the others.
        """
        if run.over:
            return
        for attempt in attempts:
            attempt.ahead = False
        self._take_back(run, attempts)
        for attempt in attempts:
            if run.cancelled and self._runs.has(attempt):
                self._interrupt(attempt)

    def call_off(self, attempts: Iterable[Attempt]) -> None:
        """Give these attempts up."""
        for attempt in attempts:
            self._give_up(attempt)

    def _attempt(self, run: ActiveRun, task: int, resume: Resume) -> Attempt:
        return Attempt(
            run,
            task,
            resume.attempt,
            run.plan.contexts.given(task),
            timeout=_time_limit(run.graph.tasks[task].timeout_seconds, self._config),
            max_bytes=self._config.max_context_bytes,
            crashes=resume.crashes,
            uncounted=resume.uncounted,
            finds_children=resume.finds_children,
            clock=self._clock,
            finished=self._finished,
        )

    def _start(self, attempt: Attempt) -> None:
        """Send an attempt off; one of a recovered run only when its start mark is durable."""
        self._runs.begin(attempt)
        if attempt.owner.recovered:
            self._quarantine.add(attempt)
        else:
            self._send(attempt)

    def _mark_and_send(self, attempt: Attempt) -> None:
        if not self._draining:
            attempt.marked = True
            self._mark(attempt, attempt_rows.start_mark(attempt), partial(self._send, attempt))

    def _mark(self, attempt: Attempt, row: AttemptRow, then: Callable[[], None]) -> None:
        """Write the state of a body, and call ``then`` when that is durable."""
        self._journal.add(RunEntry(self._listener, attempt.owner, [row], None, then=then))

    def _send(self, attempt: Attempt) -> None:
        if attempt.abandoned:
            return
        self._body_times.add(attempt, attempt.timeout)
        self._executor.submit(attempt)
        self._journal.mark_soon()

    # -- time --------------------------------------------------------------------------------

    def _check_time(self, attempt: Attempt) -> None:
        """End an attempt if its time is used up, else check again when it may be."""
        left = attempt.timeout - attempt.clock.spent()
        if left > 0:
            if attempt.holds_slot:  # its clock stops while it waits; ``_resumed`` checks it again
                self._body_times.add(attempt, max(left, LEAST_CHECK))
        elif self._executor.abandon(attempt):
            self._listener.guarded(attempt.owner, self._time_out, attempt)

    def _resumed(self, work: AttemptWork) -> None:
        """A body or follow-up that waited for another run goes on, and so does its time."""
        if work is work.attempt:
            self._check_time(work.attempt)
            self._journal.mark_soon()
        else:
            self._follow_ups.check_time(work.attempt)

    def _time_out(self, attempt: Attempt) -> None:
        error = TimeoutError("Task execution timeout")
        retry = attempt.task.retry
        if callable(retry.condition):
            attempt.outcome = raised(error, again=False)
            then = partial(self._listener.guarded, attempt.owner, self._conclude, attempt)
            self._follow_ups.run(Judgement(attempt, error), then)
        else:
            ids = attempt.log_ids()
            attempt.outcome = judged(retry, attempt.counted, error, who=attempt, ids=ids)
            self._conclude(attempt)

    # -- conclude ----------------------------------------------------------------------------

    def _finished(self, attempt: Work) -> None:
        assert isinstance(attempt, Attempt)
        self._body_times.discard(attempt)
        if self._runs.has(attempt):  # not given up while the report was on the way
            self._listener.guarded(attempt.owner, self._conclude, attempt)

    def _conclude(self, attempt: Attempt) -> None:
        """Let the task's callback run, then hand on the outcome."""
        assert attempt.outcome is not None
        if (call := _callback(attempt, attempt.outcome)) is None:
            self._hand_on(attempt, attempt.outcome)
        else:
            step = partial(self._hand_on, attempt, attempt.outcome)
            then = partial(self._listener.guarded, attempt.owner, step)
            self._follow_ups.run(call, then)

    def _hand_on(self, attempt: Attempt, outcome: Outcome) -> None:
        self._runs.discard(attempt)
        self._attempt_over.set()
        self._quarantine.over(attempt)
        self.waiting_bodies.give_up(attempt)
        try:
            self._listener.concluded(attempt, outcome)
        finally:
            self._capacity.changed()  # last: the run may have started attempts, and need its place

    # -- give up -----------------------------------------------------------------------------

    def drain(self) -> None:
        """Start no further body. Those that run are recorded when they end; those that wait for
        other runs, which will not end here, are given up.
        """
        self._draining = True
        for run in self._runs:
            for attempt in self._runs.attempts(run):
                # One call checks and abandons: a queued body may be beginning at this moment.
                if self._is_away(attempt) or self._executor.abandon(attempt, even_running=False):
                    self._give_up(attempt)

    def _is_away(self, attempt: Attempt) -> bool:
        """True when its body or its follow-up waits for another run."""
        return not attempt.holds_slot or self._follow_ups.is_away(attempt)

    async def quiet(self) -> None:
        """Return when no attempt is under way any more; to be called after ``drain``."""
        while self._runs.are_busy():
            self._attempt_over.clear()
            await self._attempt_over.wait()

    def stop(self, run: ActiveRun) -> None:
        """Stop this run's bodies and timers; their outcomes are ignored."""
        for timer, _ in self._retries.pop(run, {}).values():
            timer.cancel()
        for attempt in self._runs.forget(run):
            self._give_up(attempt)

    def hold(self, run: ActiveRun) -> None:
        """Take back what has not begun: retries that wait for their time, attempts that wait for a
        slot. They are held until the run is launched again. Those that were prepared ahead of a
        record are not to begin before it is durable: they are taken back when it is.
        """
        for task, (timer, resume) in self._retries.pop(run, {}).items():
            timer.cancel()
            run.resume[task] = resume
            run.held.append(task)
        self._take_back(run, [each for each in self._runs.attempts(run) if not each.ahead])

    def _take_back(self, run: ActiveRun, attempts: Iterable[Attempt]) -> None:
        """Hold those of these attempts that have not begun."""
        for attempt in attempts:
            if attempt.outcome is None and self._executor.abandon(attempt, even_running=False):
                self._give_up(attempt)
                run.resume[attempt.index] = Resume(
                    attempt.number, crashes=attempt.crashes, uncounted=attempt.uncounted
                )
                run.held.append(attempt.index)

    def interrupt(self, run: ActiveRun) -> None:
        """Ask the bodies of a run to end: coroutines are cancelled, threads are told, waits end."""
        for attempt in self._runs.attempts(run):
            if not attempt.ahead:
                self._interrupt(attempt)

    def _interrupt(self, attempt: Attempt) -> None:
        self._executor.interrupt(attempt)
        self.waiting_bodies.interrupt(attempt)

    def tell_of_cut(self, attempt: Attempt) -> None:
        """Call the task's ``on_cancel`` for a body that is about to be given up; the run does not
        wait for it.
        """
        if (call := _callback(attempt, CutOff())) is not None:
            self._executor.submit(call)

    def _give_up(self, attempt: Attempt) -> None:
        self._body_times.discard(attempt)
        self._runs.discard(attempt)
        self._attempt_over.set()
        self._quarantine.over(attempt)
        if not attempt.abandoned:
            self._executor.abandon(attempt)
        self._follow_ups.give_up(attempt)
        self.waiting_bodies.give_up(attempt)


def _callback(attempt: Attempt, outcome: Outcome) -> Callback | None:
    """The call of the task's callback for this outcome, if it has one."""
    task = attempt.task
    if isinstance(outcome, Succeeded):
        if task.on_success is None:
            return None
        after = {k: v for k, v in attempt.given.items() if k not in outcome.change.removed}
        arguments = (task.id, Context._view(after | dict(outcome.change.set)))
        return Callback(attempt, "on_success", task.on_success, arguments)
    if isinstance(outcome, CutOff):
        if task.on_cancel is None:
            return None
        given = (task.id, Context._view(attempt.given))
        return Callback(attempt, "on_cancel", task.on_cancel, given)
    if task.on_failure is None:
        return None
    failed = (task.id, str(outcome), Context._view(attempt.given))
    return Callback(attempt, "on_failure", task.on_failure, failed)


def _time_limit(own: float | NoLimit | None, config: DefaultRunnerConfig) -> float:
    """Seconds that an attempt may spend in its body, for ever as ``math.inf``."""
    if own is None:
        own = config.task_timeout_seconds or NO_LIMIT
    return math.inf if isinstance(own, NoLimit) else own


def _delay(retry_at: int, whole: int, now: int) -> float:
    """Seconds until the attempt may start, at most the whole delay after the last attempt: the
    clock of an earlier owner may have been wrong.
    """
    return min(retry_at - now, whole) / 1e6
