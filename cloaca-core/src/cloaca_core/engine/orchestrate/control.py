"""Passes facts to the lives of runs, and carries out the acts that they decide.

Each fact about a run that is steered, waits, fails or is given back goes through here to its life
(``run/life``); the acts that come out are carried out in their order. The orchestrator handles the
outcomes of tasks.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVarTuple

from cloaca_core.engine.orchestrate.attempts import Attempts
from cloaca_core.engine.orchestrate.departures import Departures
from cloaca_core.engine.orchestrate.launcher import Launcher
from cloaca_core.engine.orchestrate.run_limits import RunLimits
from cloaca_core.engine.orchestrate.run_records import RunRecords
from cloaca_core.engine.record import attempt_rows
from cloaca_core.engine.runtime import failpoints
from cloaca_core.engine.runtime.deadlines import Deadlines
from cloaca_core.logs import SafeLogger
from cloaca_core.run.life import Acts, CutOffAt, Do, End, GiveBack, Remaining, State
from cloaca_core.run.reasons import Reason, overdue
from cloaca_core.run.remaining import UnderWay, awaits_place, remaining_of
from cloaca_core.values.events import RUN_CANCEL_REQUESTED, RUN_PAUSED
from cloaca_core.values.times.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.execute.body_log import TaskLogs
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.execute.outcome import Outcome
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
    from cloaca_core.engine.orchestrate.ports import Ports
    from cloaca_core.engine.orchestrate.run_facts import RunFacts
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.replacements import Keys
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.run.time_limit import Deadline
    from cloaca_core.values.times.clock import Clock


log = SafeLogger("cloaca.engine")

P = ParamSpec("P")
Ts = TypeVarTuple("Ts")


class Control:
    """Belongs to the engine's loop. It ``never_evicts`` waiting runs if no runner would claim them
    again. ``record_outcomes`` passes on what commits found about runs.
    """

    def __init__(
        self,
        config: DefaultRunnerConfig,
        executor: Executor,
        journal: Journal,
        runs: ActiveRuns,
        capacity: Capacity,
        clock: Clock,
        facts: RunFacts,
        ports: Ports,
        logs: TaskLogs,
        *,
        never_evicts: bool,
    ) -> None:
        self._config = config
        self._evict_after = round(config.evict_after_seconds * SECOND)
        self._runs = runs
        self._capacity = capacity
        self._clock = clock
        self._never_evicts = never_evicts
        self.ports: Ports = ports
        self.records: RunRecords = RunRecords(journal, clock, config, ports)
        self.attempts: Attempts = Attempts(
            executor, journal, runs, capacity, facts, self.records, ports, logs
        )
        self.launcher: Launcher = Launcher(
            config, self.attempts, runs, capacity, clock, facts, ports
        )
        self.departures: Departures = Departures(
            self.records, self.attempts, runs, clock, facts, self.stop, ports, logs.redact
        )
        usual = config.pipeline_timeout_seconds
        self.limits: RunLimits = RunLimits(clock, usual, self._limit_passed)
        self._acts: dict[Do, Callable[[ActiveRun], None]] = {
            Do.HOLD: self.launcher.hold,
            Do.INTERRUPT: self.launcher.interrupt,
            Do.STOP_LIMIT: self.limits.stop,
            Do.REST: partial(_rest, self.limits, capacity),
            Do.START_LIMIT: self.limits.go_on,
            Do.BEGIN: self.launcher.launch_held,
            Do.BEGIN_IF_OWNED: self._launch_held_if_ours,
            Do.REVIEW: self.review,
            Do.RELEASE_PLACE: self._release_place,
            Do.DROP: self.drop,
        }
        self._cuts = Deadlines(self._cut_off)

    # -- begin and end -----------------------------------------------------------------------

    def begin(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Start these tasks, and give the run back if nothing of it can continue for now."""
        self.launcher.launch(run, tasks)
        if run.route is not None and self.ports.routes is not None:
            self.ports.routes.settle(run)
        if run.waits is not None:
            self.ports.waits.check(run)
        elif run.life.state is not State.ACTIVE or run in self.launcher.back_offs.waiting:
            self.review(run)
        if run.graph.has_limits:
            self.ports.limits.check(run)

    def stop(self, run: ActiveRun) -> None:
        """Stop this run's bodies and timers; their outcomes are ignored."""
        run.life.over()
        self.limits.forget(run)
        if run.life.cancel is not None:
            self._cuts.discard(run)
        if run.waits is not None:
            self.ports.waits.forget(run)
        if run.maps is not None:
            run.maps.forget(run.latest)
        if run.route is not None and self.ports.routes is not None:
            self.ports.routes.forget(run)
        self.launcher.stop(run)

    def drop(self, run: ActiveRun) -> None:
        """Forget a run that this runner no longer owns; outcomes of its bodies are ignored."""
        self.stop(run)
        if self._runs.remove(run):
            self._capacity.changed()

    def guarded(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take a step of a run. An error in the engine ends the run."""
        try:
            step(*args)
        except Exception as error:
            log.exception("run %s cannot go on", run.id, extra={"run_id": run.id})
            self.broken(run, error)

    def review(self, run: ActiveRun) -> None:
        """Let its life decide whether a run that is steered or waits stays in memory."""
        if run.life.state is not State.OVER:
            self._do(run, run.life.review(self._remaining(run)))

    def review_again(self, run: ActiveRun) -> None:
        """A body has stopped waiting: check whether the time limit of its run must count again."""
        self.guarded(run, self.review, run)

    def _remaining(self, run: ActiveRun) -> Remaining:
        bodies = {attempt.index: attempt.waits for attempt in self._runs.attempts(run)}
        here = UnderWay(bodies, self.launcher.back_offs.due(run))
        if run.graph.has_limits:
            if run.graph.limits and not self.ports.limits.has_place(run):
                idle = self.ports.limits.is_denied(run)
                return awaits_place(self._clock.wall(), idle=idle, never_evicts=self._never_evicts)
            here = here._replace(in_line=self.ports.limits.denied(run))
        evict_after = (
            self._evict_after
            if self._runs.may_release_place(run, self._config.max_active_runs)
            else None
        )
        return remaining_of(
            run, self._clock.wall(), here, evict_after=evict_after, never_evicts=self._never_evicts
        )

    def moved(self, run: ActiveRun, rows: Sequence[AttemptRow], beside: Sequence[Beside]) -> bool:
        """Let a run go to another queue, with these rows of it, if nothing that is ready may begin
        here; whether it goes.
        """
        if not run.life.may_begin or (remaining := self._remaining(run)).moves_to is None:
            return False
        if remaining.under_way or remaining.never_evicts or remaining.rests is not run.life.rests:
            return False  # the clock of its limit restarts and may run out: a review sees to that
        if failpoints.watches:
            failpoints.hit("run.before_move")
        self._do(run, run.life.review(remaining), rows, beside)
        return True

    # -- the acts ----------------------------------------------------------------------------

    def tell(
        self, run: ActiveRun, fact: Callable[P, Acts], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Pass a fact, a method of the run's life, and carry out the acts that it returns."""
        self._do(run, fact(*args, **kwargs))

    def _do(
        self,
        run: ActiveRun,
        acts: Acts,
        rows: Sequence[AttemptRow] = (),
        beside: Sequence[Beside] = (),
    ) -> None:
        """Carry out these acts in their order. ``rows`` are recorded with an end, or as the run is
        given back, and so are the rows of ``beside``.
        """
        for act in acts:
            if run.life.state is State.OVER and act is not Do.DROP and not isinstance(act, End):
                return  # its time limit has passed as it was started
            match act:
                case Do():
                    self._acts[act](run)
                case CutOffAt(deadline):
                    self._cuts.add(run, max(0.0, (deadline - self._clock.wall()) / 1e6))
                case GiveBack():
                    self.departures.give_back(run, act, rows, beside)
                case End():
                    self.departures.end(run, act, rows, beside)

    def _launch_held_if_ours(self, run: ActiveRun) -> None:
        self.records.write(run, [], run.life.release())

    def _release_place(self, run: ActiveRun) -> None:
        self._runs.release_place(run)
        self._capacity.changed()

    def _limit_passed(self, run: ActiveRun, deadline: Deadline) -> None:
        self.guarded(run, self.tell, run, run.life.limit_passed, overdue(deadline))

    # -- requests ----------------------------------------------------------------------------

    def cancel(self, run: ActiveRun, reason: Reason, deadline: int) -> None:
        """Interrupt the bodies of a run, and end it by ``deadline``, an instant in µs."""
        is_first = run.life.cancel is None
        acts = run.life.cancel_requested(reason, deadline)
        if is_first and run.life.cancel is not None:
            seconds = max(0.0, (deadline - self._clock.wall()) / 1e6)
            ids = _ids(run, RUN_CANCEL_REQUESTED)
            log.info("run %s: %s; it ends within %.3g s", run.id, reason.text, seconds, extra=ids)
        self._do(run, acts)

    def pause(self, run: ActiveRun, because: str) -> None:
        """Start nothing more of a run, and give it back when its bodies have ended."""
        if run.life.may_begin:
            log.info("run %s: %s", run.id, because, extra=_ids(run, RUN_PAUSED))
        self._do(run, run.life.pause_requested())

    def replace(self, run: ActiveRun, replacements: Sequence[Keys]) -> None:
        """Keys of a run were replaced. ``replacements`` are all so far. Tasks that have not begun
        begin with the new values.
        """
        if run.life.state in (State.OVER, State.LEAVING):
            return  # a run that is given back gets them once it is claimed
        run.replace(replacements)
        self._do(run, run.life.replaced())

    def concluded(self, attempt: Attempt, outcome: Outcome, beside: Sequence[Beside]) -> None:
        """Record the outcome of an attempt of a run that is being cancelled. Nothing follows from
        it.
        """
        run, cancel = attempt.owner, attempt.owner.life.cancel
        reason = None if cancel is None else cancel.reason
        row = attempt_rows.cut_off(attempt, outcome, reason, self._clock.wall())
        run.latest[attempt.index] = row
        acts = run.life.unit_ended(under_way=bool(self._runs.attempts(run)))
        if acts:
            self._do(run, acts, [row], beside)
        else:
            self.records.write(run, [row], beside=beside)

    def cut_off_all(self) -> bool:
        """The runner shuts down: end all runs that are being cancelled. Returns whether there were
        any.
        """
        found = [run for run in self._runs if run.life.cancel is not None]
        for run in found:
            self._cut_off(run)
        return bool(found)

    def _cut_off(self, run: ActiveRun) -> None:
        self.guarded(run, self.tell, run, run.life.cut_off)

    # -- leave memory ------------------------------------------------------------------------

    def give_back_rested(self) -> bool:
        """The runner shuts down: give back the runs of whose rests only this runner knows. Returns
        whether there were any.
        """
        now = self._clock.wall()
        for run in self._runs:
            if run.life.rests or run.limit.rested(now):
                self.guarded(run, self._shut_down, run)
        return any(run.life.state is State.LEAVING for run in self._runs)

    def _shut_down(self, run: ActiveRun) -> None:
        self._do(run, run.life.shut_down(self._remaining(run)))

    def hand_over(self, run: ActiveRun) -> None:
        """Give back a run that waits for a slot, unless a body of it begins at this moment."""
        self._do(run, run.life.hand_over())
        self._do(run, run.life.ready_to_hand_over(under_way=bool(self._runs.attempts(run))))

    # -- failures ----------------------------------------------------------------------------

    def fail(self, run: ActiveRun, reason: Reason, *, bare: bool = False) -> None:
        """End a run that cannot continue, unless it is over. ``bare`` if its rows cannot be
        read.
        """
        self._do(run, run.life.fail(reason, bare=bare))

    def broken(self, run: ActiveRun, error: Exception) -> None:
        """A step of a run failed by an error in the engine: end the run, or it would hang."""
        if self._runs.get(run.id) is run:
            self.fail(run, self.departures.internal_error(error), bare=True)


def _ids(run: ActiveRun, event: str) -> dict[str, object]:
    """The fields of a log record about an event of a run."""
    return {"event": event, "run_id": run.id, "workflow": run.row.workflow}


def _rest(limits: RunLimits, capacity: Capacity, run: ActiveRun) -> None:
    limits.rest(run)
    if run.route is not None:
        capacity.changed()  # it may count for no queue now
