"""Decides which attempts of a run start now, and which wait: for their time, or for a record.

It makes the attempts of tasks that are ready, and hands each to ``attempts``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from cloaca_core.engine.execute.attempt import Attempt, AttemptTools
from cloaca_core.engine.runtime.store_clock import seconds_early
from cloaca_core.logs import SafeLogger
from cloaca_core.run.items.units import TASK
from cloaca_core.run.life import State
from cloaca_core.run.restore import FRESH, Resume
from cloaca_core.run.suspicion import blamed
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.no_limit import NO_LIMIT, in_seconds

if TYPE_CHECKING:
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
    from cloaca_core.engine.orchestrate.attempts import Attempts
    from cloaca_core.engine.orchestrate.ports import Ports
    from cloaca_core.engine.orchestrate.run_facts import RunFacts
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.engine")

_NONE: Final[Mapping[int, Resume]] = {}

LAUNCHES_PER_PASS: Final = 500
"""Tasks that start in one pass of the loop; heartbeats run in between."""


class Launcher:
    """Makes and starts attempts. Belongs to the engine's loop."""

    def __init__(
        self,
        config: DefaultRunnerConfig,
        attempts: Attempts,
        runs: ActiveRuns,
        capacity: Capacity,
        clock: Clock,
        facts: RunFacts,
        ports: Ports,
    ) -> None:
        self._tools = AttemptTools(
            clock,
            in_seconds(config.task_timeout_seconds or NO_LIMIT),
            config.max_context_bytes,
            attempts.finished,
            ports,
            attempts.logs,
        )
        self._attempts = attempts
        self._runs = runs
        self._capacity = capacity
        self._clock = clock
        self._facts = facts
        self._ports = ports
        self._loop = asyncio.get_running_loop()
        self._most_blamed = config.max_recovery_attempts
        self._most_ahead = min(config.max_concurrent_tasks, LAUNCHES_PER_PASS)
        self.back_offs: BackOffs = BackOffs(clock, self._is_due)

    # -- launch ------------------------------------------------------------------------------

    def launch(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Start or resume these tasks. Of a large number, the rest starts in later passes of the
        loop.
        """
        if run.life.state is not State.ACTIVE and not (tasks := run.life.ready(tasks)):
            return
        if run.plan.contexts.replacements:
            outdated = run.plan.contexts.outdated(tasks)
            if run.maps is not None:  # one that is open goes on as it was opened
                opened = run.maps.opened()
                outdated = [each for each in outdated if each not in opened]
            if outdated := [each for each in outdated if run.resume.get(each, FRESH).seen is None]:
                self._facts.decide_again(run, outdated)
                tasks = [task for task in tasks if task not in outdated]
        for task in tasks[:LAUNCHES_PER_PASS]:
            self._launch(run, task, run.resume.pop(task, FRESH))
        if rest := tasks[LAUNCHES_PER_PASS:]:
            self._loop.call_soon(self._facts.guarded, run, self._launch_rest, run, rest)
        elif self._runs.only_waits(run):
            self._capacity.changed()

    def _launch_rest(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Launch what is still ready: the waits of some nodes may have ended since then."""
        statuses = run.plan.statuses
        self.launch(run, [t for t in tasks if statuses[t & TASK] == TaskStatus.READY])

    def _launch(self, run: ActiveRun, task: int, resume: Resume) -> None:
        if (begin_later := self._gate(run, task, resume)) is not None:
            begin_later()
        else:
            self._attempts.start(self._attempt(run, task, resume))

    def _gate(self, run: ActiveRun, task: int, resume: Resume) -> Callable[[], None] | None:
        """Ask the gates in their order whether the task may begin now. Returns None if it may;
        otherwise a function, which starts the task later or decides its outcome.
        """
        is_closed = run.recovered or self._attempts.closed or self._attempts.draining
        own = run.graph.tasks[task & TASK]
        has_body = own.wait is None and (own.map is None or task > TASK)
        if run.graph.merges and task <= TASK and (met := run.plan.contexts.unmerged(task)):
            return partial(self._facts.cannot_merge, run, task, resume, met)
        is_plain = resume is FRESH and has_body and run.route is None and not own.limits
        if is_plain and not is_closed:
            return None
        for gate in self._ports.gates:
            if (begin_later := gate(run, task, resume)) is not None:
                return begin_later
        if resume.crashes and (blamed := self._blamed(run, task, resume)) > self._most_blamed:
            return partial(self._facts.killed_too_often, run, task, resume, blamed)
        if (delay := _delay(resume, self._clock.wall())) > 0:
            return partial(self.back_offs.add, run, task, resume, delay)
        if own.limits and has_body and not self._attempts.draining:
            return partial(self._ports.limits.enter, run, task, resume)
        if is_closed or resume.crashes:  # the quarantine may hold it; while draining, none begins
            return partial(self._line_up, run, task, resume)
        return None

    def _line_up(self, run: ActiveRun, task: int, resume: Resume) -> None:
        if not self._attempts.draining:
            self._attempts.start(self._attempt(run, task, resume))

    def _blamed(self, run: ActiveRun, task: int, resume: Resume) -> int:
        """The number of process deaths that count against this attempt."""
        shared = resume.shared or self._attempts.runs_here(run.graph.tasks[task & TASK])
        return blamed(resume.crashes, shared=shared)

    def _is_due(self, run: ActiveRun, task: int, resume: Resume) -> None:
        self._facts.guarded(run, self._launch, run, task, resume)

    def limited(self, run: ActiveRun, task: int, resume: Resume) -> Attempt:
        """Make the attempt of a task that has its places of limits."""
        return self._attempt(run, task, resume)

    def _attempt(self, run: ActiveRun, task: int, resume: Resume) -> Attempt:
        if task > TASK:
            return self._of_item(run, task, resume)
        own = run.graph.tasks[task]
        is_usual = own.executor is None and not own.transactional
        make = Attempt if is_usual else self._attempts.maker(own)
        return make(run, task, run.plan.contexts.given(task), resume, self._tools, None)

    def _of_item(self, run: ActiveRun, unit: int, resume: Resume) -> Attempt:
        own = run.graph.tasks[unit & TASK]
        make = Attempt if own.executor is None else self._attempts.maker(own)
        item, line = self._ports.maps.item(run, unit)
        given = run.plan.contexts.given(unit & TASK)
        attempt = make(run, unit, given, resume, self._tools, item)
        if unit in run.latest:
            attempt.since = self._clock.wall()  # its turn has come now, whenever its run began
        else:
            attempt.line = line
        return attempt

    # -- ahead of a record -------------------------------------------------------------------

    def ahead(self, run: ActiveRun, ready: Sequence[int]) -> list[Attempt]:
        """Prepare attempts of these tasks that can begin on the committing thread, up to the first
        that must wait for anything else. Of many tasks it prepares none: their starts would split
        the commits that they can share. A task that fails here fails again at its normal start.
        """
        attempts: list[Attempt] = []
        may_begin = run.life.state is State.ACTIVE or run.life.may_begin
        if not may_begin or len(ready) > self._most_ahead:
            return attempts
        try:
            for task in ready:
                resume = run.resume.get(task, FRESH)
                if self._gate(run, task, resume) is not None:
                    break
                if not self._attempts.reserve(attempt := self._attempt(run, task, resume)):
                    break
                attempts.append(attempt)
        except Exception:
            log.exception("run %s: nothing begins ahead", run.id, extra={"run_id": run.id})
            self.call_off(attempts)
            return []
        for attempt in attempts:
            run.resume.pop(attempt.index, None)
        return attempts

    def stop_prepared(self, run: ActiveRun, attempts: Iterable[Attempt]) -> None:
        """The record ahead of which these attempts were prepared is durable, and the run was paused
        or cancelled meanwhile: hold those that have not begun, and interrupt the others if the run
        is cancelled.
        """
        if run.life.may_begin or run.life.state is State.OVER:
            return
        for attempt in attempts:
            attempt.ahead = False
        self.hold(run)
        for attempt in attempts:
            if run.cancelled and self._runs.has(attempt):
                self._attempts.interrupt(attempt)

    def call_off(self, attempts: Iterable[Attempt]) -> None:
        """Give these attempts up."""
        for attempt in attempts:
            self._attempts.give_up(attempt)

    # -- take back ---------------------------------------------------------------------------

    def stop(self, run: ActiveRun) -> None:
        """Stop this run's bodies and timers; their outcomes are ignored."""
        if run in self.back_offs.waiting:
            self.back_offs.take(run)
        if run.graph.has_limits:
            self._ports.limits.forget(run)
        for attempt in self._runs.forget(run):
            self._attempts.give_up(attempt)

    def hold(self, run: ActiveRun) -> None:
        """Take back the attempts that have not begun: retries that wait for their time, and
        attempts that wait for a slot. Their tasks are held until the run is launched again.
        Attempts prepared ahead of a record are taken back once it is durable, since they cannot
        begin before that.
        """
        taken = dict(self.back_offs.take(run))
        if run.route is not None:
            taken |= run.route.take()
        if run.graph.has_limits:
            taken |= self._ports.limits.take(run)
        for attempt in self._runs.attempts(run):
            if not attempt.ahead and self._attempts.take_back(attempt):
                taken[attempt.index] = Resume(
                    attempt.number,
                    crashes=attempt.crashes,
                    uncounted=attempt.uncounted,
                    children_restarted=attempt.children_restarted,
                    was_suspended=attempt.was_suspended,
                    seen=run.plan.contexts.seen_by(attempt.index & TASK)
                    if attempt.was_suspended
                    else None,
                    shared=attempt.shared,
                    restarts_children=attempt.restarts_children,
                )
        run.resume.update(taken)
        run.life.held += taken
        if run.maps is not None:
            run.maps.held(taken)

    def launch_held(self, run: ActiveRun) -> None:
        """Start what was held."""
        self.launch(run, run.life.release())

    def interrupt(self, run: ActiveRun) -> None:
        """Ask the bodies of a run to end: cancel coroutines, set the flag that threads read, end
        waits.
        """
        for attempt in self._runs.attempts(run):
            if not attempt.ahead:
                self._attempts.interrupt(attempt)


def _delay(resume: Resume, now: int) -> float:
    """Seconds until the attempt may start, at most the whole delay after the last attempt: the
    clock of an earlier owner may have been wrong.
    """
    if resume.retry_at is None:
        return 0.0
    return min(resume.retry_at - now, resume.delay) / 1e6


class BackOffs:
    """Attempts that wait for the time of their retry, each with a timer. Belongs to the engine's
    loop.

    ``waiting`` has these attempts and their timers, by run and task. ``is_due`` is called with each
    attempt whose time has come.
    """

    def __init__(self, clock: Clock, is_due: Callable[[ActiveRun, int, Resume], None]) -> None:
        self._clock = clock
        self._is_due = is_due
        self._loop = asyncio.get_running_loop()
        self.waiting: dict[ActiveRun, dict[int, tuple[asyncio.TimerHandle, Resume]]] = {}

    def add(self, run: ActiveRun, task: int, resume: Resume, delay: float) -> None:
        """Let an attempt of a task wait for ``delay`` seconds."""
        due_at = self._clock.wall() + round(delay * SECOND)
        self._wait(run, task, resume._replace(retry_at=due_at), delay)

    def _wait(self, run: ActiveRun, task: int, resume: Resume, delay: float) -> None:
        timer = self._loop.call_later(delay, self._time_is_up, run, task, resume)
        self.waiting.setdefault(run, {})[task] = (timer, resume)

    def _time_is_up(self, run: ActiveRun, task: int, resume: Resume) -> None:
        assert resume.retry_at is not None
        if early := seconds_early(self._clock, resume.retry_at):
            self._wait(run, task, resume, early)
            return
        waiting = self.waiting[run]
        del waiting[task]
        if not waiting:
            del self.waiting[run]
        self._is_due(run, task, resume._replace(retry_at=None))

    def due(self, run: ActiveRun) -> dict[int, int]:
        """For each attempt of this run that waits for its time: the instant at which it is due, by
        task.
        """
        waiting = self.waiting.get(run)
        if not waiting:
            return {}
        return {
            task: due.retry_at for task, (_, due) in waiting.items() if due.retry_at is not None
        }

    def take_units(self, run: ActiveRun, units: Iterable[int]) -> list[int]:
        """These attempts of the run wait here no longer; returns those that did."""
        waiting = self.waiting.get(run, {})
        found = [unit for unit in units if unit in waiting]
        for unit in found:
            waiting.pop(unit)[0].cancel()
        if found and not waiting:
            del self.waiting[run]
        return found

    def take(self, run: ActiveRun) -> Mapping[int, Resume]:
        """Stop the timers of this run. Returns its attempts by task."""
        waiting = self.waiting.pop(run, None)
        if waiting is None:
            return _NONE
        for timer, _ in waiting.values():
            timer.cancel()
        return {task: resume for task, (_, resume) in waiting.items()}
