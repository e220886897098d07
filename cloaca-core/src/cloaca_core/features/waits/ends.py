"""Ends waits, by a message or by time: decides the consequences for the run, and writes them.

Each end is one commit, which takes the message, closes the wait and has the consequences. The table
decides a time-out, as it may have messages that are unknown here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from cloaca_core.definition.waits.kinds import Child, Sleep
from cloaca_core.engine.record import attempt_rows
from cloaca_core.engine.record.run_entry import RunEntry, RunListener
from cloaca_core.engine.runtime import failpoints
from cloaca_core.features.waits.node_waits import (
    WaitOutcome,
    outcome_of_message,
    outcome_of_timeout,
)
from cloaca_core.features.waits.open_waits import OpenWait, open_waits
from cloaca_core.features.waits.records import TIMEOUTS, WaitTimeout
from cloaca_core.features.waits.rows import (
    WaitRows,
    is_of_message,
    memo_of,
    value_of_message,
    value_of_timeout,
)
from cloaca_core.run.items.units import TASK
from cloaca_core.run.life import State
from cloaca_core.run.merge import Change
from cloaca_core.store.messages import MessageRow
from cloaca_core.values.waits import SLEEP

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.orchestrate.run_records import RunRecords
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.features.steps.records import MemoRow
    from cloaca_core.features.waits.body_waits import BodyWaits
    from cloaca_core.features.waits.mail import Mail
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.items.units import Unit
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.store.batch import Committed
    from cloaca_core.values.times.clock import Clock


class ChildNodes(Protocol):
    """The nodes that wait for runs which they start."""

    def begin(self, run: ActiveRun, task: int, resume: Resume, node: Child) -> None:
        """Start the run for which a node waits."""

    def ended(self, run: ActiveRun, wait: OpenWait, message: MessageRow) -> None:
        """The message tells of the end of the run for which a node waits."""

    def forget(self, run: ActiveRun) -> None:
        """The parent is over, or this runner no longer owns it."""


class WaitEnds:
    """Belongs to the engine's loop. ``check`` is called after the end of a wait: the run may
    continue, or have nothing left to do. ``child_nodes`` is set once all parts are made.
    """

    def __init__(
        self,
        clock: Clock,
        bodies: BodyWaits,
        mail: Mail,
        kernel: Orchestrator,
        records: RunRecords,
        check: Callable[[ActiveRun], None],
    ) -> None:
        self._clock = clock
        self._bodies = bodies
        self._mail = mail
        self._kernel = kernel
        self._records = records
        self._check = check
        self.child_nodes: ChildNodes | None = None

    def by_message(self, run: ActiveRun, wait: OpenWait, message: MessageRow) -> None:
        """The message ends a wait."""
        task = wait.key.task & TASK
        node = run.graph.tasks[task].wait
        if run.life.state is State.OVER:
            return
        if not wait.row.is_of_node:
            self._remember(run, wait, value_of_message(message), message.id)
        elif isinstance(node, Child):
            assert self.child_nodes is not None, "all parts are made"
            self.child_nodes.ended(run, wait, message)
        elif node is not None and not isinstance(node, Sleep):
            outcome = outcome_of_message(node, run.graph.tasks[task].id, message.payload)
            self.end_node(run, wait, outcome, message.id)

    def by_time(self, run: ActiveRun, wait: OpenWait) -> None:
        """The time of a wait is over. The wait ends, unless the table has a message that is unknown
        here.
        """
        if run.life.state is State.OVER:
            return
        wait.ending = True
        if wait.row.kind == SLEEP or wait.row.timed_out:
            self._end_timed_out(run, wait)
            return
        row, seen = wait.row, open_waits(run).seen
        timeout = WaitTimeout(run.id, row.task_id, row.kind, row.name, row.number, seen, row.item)
        decided = partial(self._is_decided, run, wait, timeout)
        rows = [WaitRows(timeouts=[timeout])]
        self._records.add(AnsweredEntry(self._records.listener, run, (), rows, decided))

    def _end_timed_out(self, run: ActiveRun, wait: OpenWait) -> None:
        node, task_id = run.graph.tasks[wait.key.task & TASK].wait, wait.row.task_id
        if wait.row.is_of_node and node is not None:
            self.end_node(run, wait, outcome_of_timeout(node, task_id, self._clock.wall()), None)
        else:
            self._remember(run, wait, value_of_timeout(wait.row, self._clock.wall()), None)

    def _is_decided(
        self, run: ActiveRun, wait: OpenWait, timeout: WaitTimeout, committed: Committed
    ) -> None:
        """The table has decided whether the time of a wait is over, or a message has come that the
        run has not seen.
        """
        if run.life.state is State.OVER or not open_waits(run).has(wait):
            return
        if timeout in committed.of(TIMEOUTS):
            wait.row = wait.row._replace(timed_out=1)
            self._end_timed_out(run, wait)
        else:
            wait.ending = False
            self._mail.read(run, some_unnumbered=True)

    def end_node(
        self, run: ActiveRun, wait: OpenWait, outcome: WaitOutcome, message: str | None
    ) -> None:
        """End a node by the message with this id, or by time."""
        if failpoints.watches:
            failpoints.hit("wait.before_close")
        open_waits(run).remove(wait)
        beside, row = [WaitRows(closed=[wait.closed(message)])], wait.row
        self.conclude(run, wait.key.task, outcome, row.attempt, row.opened_at, beside)

    def conclude(
        self,
        run: ActiveRun,
        task: int,
        outcome: WaitOutcome,
        attempt: int,
        opened_at: int,
        beside: Sequence[WaitRows] = (),
    ) -> None:
        """A node has ended. ``opened_at`` is the instant at which it was opened."""
        now = self._clock.wall()
        if task > TASK:
            self._conclude_item(run, task, outcome, attempt, (opened_at, now), beside)
        elif isinstance(outcome, Change):
            row = attempt_rows.of_node(run, task, attempt, opened_at, now, change=outcome)
            run.size_bound += len((row.change or "").encode())
            self._kernel.follow(run, run.plan.completed(task, outcome), [row], beside)
        else:
            row = attempt_rows.of_node(run, task, attempt, opened_at, now, error=outcome)
            self._kernel.fail(run, task, row, str(row.error), beside)

    def _conclude_item(
        self,
        run: ActiveRun,
        unit: Unit,
        outcome: WaitOutcome,
        attempt: int,
        times: tuple[int, int],
        beside: Sequence[WaitRows],
    ) -> None:
        """An item of a map of child runs has ended."""
        maps = self._kernel.control.ports.maps
        if isinstance(outcome, Change):
            row = attempt_rows.of_node(run, unit, attempt, *times, change=outcome)
            maps.ended_without_body(run, unit, row, outcome, beside)
        else:
            row = attempt_rows.of_node(run, unit, attempt, *times, error=outcome)
            maps.ended_without_body(run, unit, self._kernel.clean(row), None, beside)

    def _remember(self, run: ActiveRun, wait: OpenWait, value: str, message: str | None) -> None:
        """Record how the wait of a body has ended, for the body that waits here or runs again."""
        if failpoints.watches:
            failpoints.hit("wait.before_close")
        wait.ending = True
        memo = memo_of(wait.row, value, self._clock.wall())
        rows = WaitRows(closed=[wait.closed(message)], memos=[memo])
        marks = self._marks_of_return(run, wait.key.task)
        self._records.note(run, marks, [rows], partial(self._remembered, run, wait, memo))

    def _marks_of_return(self, run: ActiveRun, task: int) -> list[AttemptRow]:
        """The row of a task whose suspended body must run again although other waits of it are
        open: a later owner could not tell that one is over.
        """
        waits = open_waits(run)
        if task not in waits.suspended or len(waits.of(task)) == 1:
            return []
        run.latest[task] = attempt_rows.resumes_body(run.latest[task])
        return [run.latest[task]]

    def _remembered(self, run: ActiveRun, wait: OpenWait, memo: MemoRow) -> None:
        waits = open_waits(run)
        is_open = waits.has(wait)  # else its attempt has ended meanwhile
        waits.remove(wait)
        if wait.attended:
            self._bodies.go_on(wait, memo)
        elif wait.cut_off and is_of_message(memo):
            self._hand_on(run, wait, memo)
        elif is_open:
            waits.ended[wait.key] = memo  # for a body that has read its memos and comes here soon
            if wait.key.task in waits.suspended:
                self.run_again(run, wait.key.task)
        self._check(run)

    def _hand_on(self, run: ActiveRun, wait: OpenWait, memo: MemoRow) -> None:
        """The body has cut its wait off, and would miss the message."""
        if (other := open_waits(run).deliver(wait, memo)) is not None:
            self._bodies.go_on(other, memo)
            rows = WaitRows(closed=[other.closed()])
            self._records.note(run, [], [rows], partial(self._check, run))

    def run_again(self, run: ActiveRun, task: int) -> None:
        """A wait of a suspended body is over: start the body again."""
        run.resume[task] = open_waits(run).suspended.pop(task)
        self._kernel.begin(run, [task])


class AnsweredEntry(RunEntry):
    """``answered`` is called with the outcome of the commit, which has decided about its rows. The
    attempts prepared ``ahead`` begin as those of other entries do.
    """

    __slots__ = ("_answered",)

    def __init__(
        self,
        listener: RunListener,
        run: ActiveRun,
        attempts: Sequence[AttemptRow],
        beside: Sequence[Beside],
        answered: Callable[[Committed], None],
        ahead: Sequence[Attempt] = (),
    ) -> None:
        super().__init__(listener, run, attempts, None, (), ahead, beside=beside)
        self._answered = answered

    def settled(self, committed: Committed) -> None:
        self.then = partial(self._answered, committed)
        super().settled(committed)
