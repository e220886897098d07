"""Takes each attempt from its start to its outcome: send it to an executor, watch its time limit,
hand on its outcome.

An attempt first waits for the quarantine, if its run has lost a process before, and for a slot;
then its body and its follow-ups run. The orchestrator decides what the outcome means for the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING, Final

from cloaca_core.definition.context import Context
from cloaca_core.engine.execute.attempt import Attempt, AttemptWork
from cloaca_core.engine.execute.callbacks import Callback, FollowUps, Judgement
from cloaca_core.engine.execute.outcome import (
    CutOff,
    Outcome,
    Succeeded,
    Suspended,
    outcome_of,
    raised,
)
from cloaca_core.engine.execute.work import ENGINE_PROCESS, LEAST_CHECK, Stage, Work
from cloaca_core.engine.orchestrate.quarantine import Quarantine, is_to_run_alone
from cloaca_core.engine.orchestrate.waiting_bodies import WaitingBodies
from cloaca_core.engine.record import attempt_rows
from cloaca_core.engine.runtime.deadlines import Deadlines
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from cloaca_core.definition.task import Task
    from cloaca_core.engine.execute.body_log import TaskLogs
    from cloaca_core.engine.execute.executor import Executor, MakeAttempt
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
    from cloaca_core.engine.orchestrate.ports import Ports
    from cloaca_core.engine.orchestrate.run_facts import RunFacts
    from cloaca_core.engine.orchestrate.run_records import RunRecords
    from cloaca_core.engine.record.journal import Journal

log = SafeLogger("cloaca.engine")

ALONE: Final = "%s: runs alone %s, since %d processes have died while it ran"


class Attempts:
    """Belongs to the engine's loop, but for ``start_reserved``. While ``draining``, no body begins.
    ``closed`` has the failure domains in which no body begins, as a suspect runs alone there.
    """

    def __init__(
        self,
        executor: Executor,
        journal: Journal,
        runs: ActiveRuns,
        capacity: Capacity,
        facts: RunFacts,
        records: RunRecords,
        ports: Ports,
        logs: TaskLogs,
    ) -> None:
        self._executor = executor
        self._journal = journal
        self._runs = runs
        self._capacity = capacity
        self._facts = facts
        self._records = records
        self._quarantine = Quarantine(executor.slots, self._under_way)
        self.closed: AbstractSet[str] = self._quarantine.closed
        self.waiting_bodies: WaitingBodies = WaitingBodies(
            executor,
            self._quarantine,
            runs,
            records.mark,
            self._resumed,
            capacity.changed,
            self._item_waits,
            ports,
        )
        self.cleared: Callable[[Attempt], None] = self._quarantine.cleared
        self._ports = ports
        self.logs: TaskLogs = logs
        self._follow_ups = FollowUps(executor)
        self._body_times = Deadlines(self._check_time)
        self.draining: bool = False

    def backlog(self) -> int:
        """The number of turns for which attempts and follow-ups wait, for a slot or for the
        quarantine. The items of a map that wait for a slot have one.
        """
        return self._executor.backlog + self._quarantine.waiting

    # -- start -------------------------------------------------------------------------------

    def maker(self, task: Task) -> MakeAttempt:
        """The function that makes attempts of a task, for the place where its body runs."""
        if task.transactional:
            return self._ports.transactional()
        if task.executor is None or (pool := self._executor.pool(task.executor)) is None:
            return Attempt
        return pool.attempt

    def reserve(self, attempt: Attempt) -> bool:
        """Reserve a slot for an attempt, which ``start_reserved`` starts. False if it must wait for
        a slot.
        """
        if not self._executor.reserve(attempt):
            return False
        attempt.ahead = True
        self._runs.begin(attempt)
        self._body_times.add(attempt, attempt.timeout)
        return True

    def start_reserved(self, attempts: Iterable[Attempt]) -> None:
        """Start attempts that have a reserved slot. Any thread may call it."""
        for attempt in attempts:
            attempt.ahead = False
            self._executor.start_reserved(attempt)

    def start(self, attempt: Attempt) -> None:
        """Start an attempt. An attempt of a recovered run, and a suspect, starts only when its
        start mark is durable. Beside a suspect no attempt begins.
        """
        self._runs.begin(attempt)
        if attempt.owner.recovered or (attempt.crashes and is_to_run_alone(attempt)):
            if attempt.crashes and is_to_run_alone(attempt):
                self._let_pass(attempt)
            self._quarantine.add(attempt, partial(self._mark_and_send, attempt))
        elif self._quarantine.closed and self._quarantine.closes(attempt):
            self._quarantine.hold(attempt, partial(self._send, attempt))
        else:
            self._send(attempt)

    def _let_pass(self, suspect: Attempt) -> None:
        """Take items back that are prepared and have no slot yet: they begin after the suspect,
        which would wait for all of them.
        """
        for attempt in list(self._under_way()):
            if attempt.line is None or attempt.domain != suspect.domain or attempt.marked:
                continue
            if attempt.stage is Stage.QUEUED and self.take_back(attempt):
                self._ports.maps.taken_back(attempt)

    def runs_here(self, task: Task) -> bool:
        """Whether the body of a task shares the engine's process with others."""
        if task.executor is None or (pool := self._executor.pool(task.executor)) is None:
            return True
        return pool.domain == ENGINE_PROCESS

    def _under_way(self) -> Iterator[Attempt]:
        """The attempts that have begun or may begin, without those whose bodies wait for other
        runs.
        """
        for run in self._runs:
            for attempt in self._runs.attempts(run):
                if not self.waiting_bodies.is_away(attempt):
                    yield attempt

    def _mark_and_send(self, attempt: Attempt) -> None:
        if not self.draining:
            attempt.marked = True
            if attempt.alone:
                where = (
                    "in this process" if attempt.domain == ENGINE_PROCESS else f"on {attempt.place}"
                )
                log.warning(ALONE, attempt, where, attempt.crashes, extra=attempt.log_ids())
            then = partial(self._send, attempt)
            self._records.mark(attempt, attempt_rows.start_mark(attempt), then)

    def _send(self, attempt: Attempt) -> None:
        if attempt.abandoned:
            return
        self._body_times.add(attempt, attempt.timeout)
        self._executor.submit(attempt)
        self._journal.mark_soon()

    # -- time --------------------------------------------------------------------------------

    def _check_time(self, attempt: Attempt) -> None:
        """End an attempt if its time is used up; otherwise check again when it may be."""
        left = attempt.timeout - attempt.clock.spent()
        if left > 0:
            if attempt.holds_slot:  # its clock stops while it waits; ``_resumed`` checks it again
                self._body_times.add(attempt, max(left, LEAST_CHECK))
        elif self._executor.abandon(attempt):
            self._facts.guarded(attempt.owner, self._time_out, attempt)

    def _item_waits(self, attempt: Attempt) -> None:
        if self._runs.has(attempt):
            self._ports.maps.away(attempt)

    def _resumed(self, work: AttemptWork) -> None:
        """A body or follow-up that waited for another run continues: its time counts again."""
        if work is work.attempt:
            self._check_time(work.attempt)
            self._journal.mark_soon()
        else:
            self._follow_ups.check_time(work.attempt)

    def _time_out(self, attempt: Attempt) -> None:
        error = TimeoutError("Task execution timeout")
        if callable(attempt.task.retry.condition):
            attempt.outcome = raised(error, again=False)
            then = partial(self._facts.guarded, attempt.owner, self._conclude, attempt)
            self._follow_ups.run(Judgement(attempt, error), then)
        else:
            attempt.outcome = outcome_of(attempt, error)
            self._conclude(attempt)

    # -- conclude ----------------------------------------------------------------------------

    def finished(self, attempt: Work) -> None:
        """The report of a body has come. Act on it, unless the attempt was given up meanwhile."""
        assert isinstance(attempt, Attempt)
        self._body_times.discard(attempt)
        if self._runs.has(attempt):  # not given up while the report was on the way
            self._facts.guarded(attempt.owner, self._conclude, attempt)

    def _conclude(self, attempt: Attempt) -> None:
        """Run the task's callback, then hand on the outcome."""
        assert attempt.outcome is not None
        if (call := _callback(attempt, attempt.outcome)) is None:
            self._hand_on(attempt, attempt.outcome)
        else:
            step = partial(self._hand_on, attempt, attempt.outcome)
            then = partial(self._facts.guarded, attempt.owner, step)
            self._follow_ups.run(call, then)

    def _hand_on(self, attempt: Attempt, outcome: Outcome) -> None:
        self._runs.discard(attempt)
        if attempt in self.waiting_bodies.away or attempt in self.waiting_bodies.marking:
            self.waiting_bodies.give_up(attempt)
        if attempt in self._ports.calls.calls:
            self._ports.calls.give_up(attempt)
        attempt.task_log.closed = True  # before the record: its lines are written with it
        try:
            self._facts.concluded(attempt, outcome)
        finally:
            if self._quarantine.in_use:  # after the record: the next mark comes behind it
                self._quarantine.over(attempt)
            self._capacity.changed()  # last: the run may have started attempts, and need its place

    # -- give up -----------------------------------------------------------------------------

    def drain(self) -> None:
        """Start no further body. Running bodies are recorded when they end. Bodies that wait for
        other runs, which will not end here, are given up.
        """
        self.draining = True
        for run in self._runs:
            for attempt in self._runs.attempts(run):
                # One call checks and abandons: a queued body may be beginning at this moment.
                if self._is_away(attempt) or self._executor.abandon(attempt, even_running=False):
                    self.give_up(attempt)

    def _is_away(self, attempt: Attempt) -> bool:
        """Whether its body or its follow-up waits for another run."""
        return not attempt.holds_slot or self._follow_ups.is_away(attempt)

    def take_back(self, attempt: Attempt) -> bool:
        """Give an attempt up unless its body has begun. Returns whether it was given up."""
        if attempt.outcome is not None or not self._executor.abandon(attempt, even_running=False):
            return False
        self.give_up(attempt)
        return True

    def interrupt(self, attempt: Attempt) -> None:
        """Ask a body to end: cancel a coroutine, set the flag that a thread reads, end its
        waits.
        """
        self._executor.interrupt(attempt)
        self.waiting_bodies.interrupt(attempt)
        self._ports.calls.interrupt(attempt)
        if attempt.task.limits:
            self._ports.limits.interrupt(attempt)

    def tell_of_cut(self, attempt: Attempt) -> None:
        """Call the task's ``on_cancel`` for a body that is about to be given up. The run does not
        wait for it.
        """
        if (call := _callback(attempt, CutOff())) is not None:
            self._executor.submit(call)

    def give_up(self, attempt: Attempt) -> None:
        """Stop a body, its follow-ups and its timer; their outcome is ignored."""
        self._body_times.discard(attempt)
        self._runs.discard(attempt)
        self._quarantine.over(attempt)
        if not attempt.abandoned:
            self._executor.abandon(attempt)
        self._follow_ups.give_up(attempt)
        self.waiting_bodies.give_up(attempt)
        self._ports.calls.give_up(attempt)
        if attempt.task.limits:
            self._ports.limits.give_up(attempt)
        attempt.task_log.closed = True


def _callback(attempt: Attempt, outcome: Outcome) -> Callback | None:
    """The call of the task's callback for this outcome; None if the task has none. A suspended body
    has not ended, so none is called.
    """
    task, item = attempt.task, attempt.item
    if isinstance(outcome, Suspended):
        return None
    if task.on_success is None and task.on_failure is None and task.on_cancel is None:
        return None
    name, seen = task.id, attempt.given
    if item is not None:
        name, seen = attempt.name, {**seen, "item": item.value}
    if isinstance(outcome, Succeeded):
        if task.on_success is None:
            return None
        after = {k: v for k, v in seen.items() if k not in outcome.change.removed}
        arguments = (name, Context._view(after | dict(outcome.change.set)))
        return Callback(attempt, "on_success", task.on_success, arguments)
    if isinstance(outcome, CutOff):
        if task.on_cancel is None:
            return None
        given = (name, Context._view(seen))
        return Callback(attempt, "on_cancel", task.on_cancel, given)
    if task.on_failure is None:
        return None
    failed = (name, str(outcome), Context._view(seen))
    return Callback(attempt, "on_failure", task.on_failure, failed)
