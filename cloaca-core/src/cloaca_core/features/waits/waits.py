"""Opens the waits of runs of this runner, for nodes and bodies, and checks when they are over.

A wait ends by a message or by time. Messages are read when a commit, or the news of steering,
counts messages that are unknown here. So no message is missed that came while a wait was being
opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from cloaca_core.definition.waits.kinds import Child, Sleep
from cloaca_core.engine.record import attempt_rows
from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import CloacaError, name_taken
from cloaca_core.features.waits.ends import AnsweredEntry, WaitEnds
from cloaca_core.features.waits.mail import Mail
from cloaca_core.features.waits.node_waits import due_at, outcome_of_timeout
from cloaca_core.features.waits.open_waits import (
    OpenWait,
    OpenWaits,
    WaitKey,
    asker_of,
    open_waits,
    waits_of,
)
from cloaca_core.features.waits.rows import (
    WaitRows,
    row_of_body,
    row_of_message,
    row_of_node,
    row_of_run,
)
from cloaca_core.run.items.units import TASK
from cloaca_core.run.life import State
from cloaca_core.run.restore import resumption
from cloaca_core.store.messages import NewMessage
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.waits import APPROVAL

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.orchestrate.orchestrator import Orchestrator
    from cloaca_core.engine.orchestrate.run_records import RunRecords
    from cloaca_core.engine.record.run_entry import Beside
    from cloaca_core.features.steps.asked_wait import AskedWait
    from cloaca_core.features.steps.memos import BodyCall
    from cloaca_core.features.waits.body_waits import BodyWaits
    from cloaca_core.features.waits.part import WaitStore
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.store.batch import Committed
    from cloaca_core.values.times.clock import Clock


class OwnedRuns(Protocol):
    """The runs that this runner owns."""

    def get(self, run_id: str) -> ActiveRun | None:
        """The run with this id; None if this runner does not own it."""


class Waits:
    """Belongs to the engine's loop."""

    def __init__(
        self,
        store: WaitStore,
        evict_after: float,
        runs: OwnedRuns,
        clock: Clock,
        bodies: BodyWaits,
        kernel: Orchestrator,
        records: RunRecords,
    ) -> None:
        self._evict_after = round(evict_after * SECOND)
        self._runs = runs
        self._clock = clock
        self._bodies = bodies
        self._kernel = kernel
        self._records = records
        self._loop = asyncio.get_running_loop()
        self._timers: dict[ActiveRun, tuple[int, asyncio.TimerHandle]] = {}
        self._mail = Mail(store, clock, kernel.guarded, self.check)
        self.ends: WaitEnds = WaitEnds(clock, bodies, self._mail, kernel, records, self.check)

    # -- begin -------------------------------------------------------------------------------

    def gate(self, run: ActiveRun, task: int, resume: Resume) -> Callable[[], None] | None:
        """A ``Gate``. A node waits instead of starting, and so does each item of a map of them. A
        task whose body is suspended in an open wait does not start either: the end of the wait
        starts it.
        """
        own = run.graph.tasks[task & TASK]
        if own.wait is not None and (own.map is None or task > TASK):
            return partial(self._attend, run, task, resume)
        if (
            resume.was_suspended
            and (waits := waits_of(run)) is not None
            and task in waits.suspended
        ):
            return _waits_already
        return None

    def _attend(self, run: ActiveRun, task: int, resume: Resume) -> None:
        """Open the wait of a node, unless an earlier owner has. The end of the wait starts the next
        tasks.
        """
        if not self.is_open(run, task, resume.attempt):
            self._open(run, task, resume)

    def is_open(self, run: ActiveRun, task: int, attempt: int) -> bool:
        """Whether the node waits already: an earlier owner has opened its wait."""
        waits = waits_of(run)
        return waits is not None and attempt in [each.row.attempt for each in waits.of(task)]

    def _open(self, run: ActiveRun, task: int, resume: Resume) -> None:
        """Open the wait of a node. A sleep that is over already is only ended."""
        node, task_id = run.graph.tasks[task & TASK].wait, run.graph.tasks[task & TASK].id
        assert node is not None
        if isinstance(node, Child):
            assert self.ends.child_nodes is not None, "all parts are made"
            self.ends.child_nodes.begin(run, task, resume, node)
            return
        now = self._clock.wall()
        try:
            due = due_at(node, task_id, now, run.plan.contexts.given(task))
        except CloacaError as error:
            row = attempt_rows.of_node(run, task, resume.attempt, now, now, error=error)
            self._kernel.fail(run, task, row, str(row.error))
            return
        if isinstance(node, Sleep) and due is not None and due <= now:
            self.ends.conclude(
                run, task, outcome_of_timeout(node, task_id, now), resume.attempt, now
            )
            return
        mark = attempt_rows.of_node(run, task, resume.attempt, now)
        run.latest[task] = mark
        wait = open_waits(run).add(task, row_of_node(node, mark, due))
        self._write(run, wait, [mark])

    def open_for_run(
        self,
        run: ActiveRun,
        task: int,
        attempt: int,
        name: str,
        detail: str,
        beside: Sequence[Beside] = (),
        answered: Callable[[Committed], None] | None = None,
    ) -> None:
        """Open a node that waits for the end of this name. ``beside`` is written with that;
        ``answered`` is called with the outcome.
        """
        mark = attempt_rows.of_node(run, task, attempt, self._clock.wall())
        run.latest[task] = mark
        wait = open_waits(run).add(task, row_of_run(mark, name, detail))
        self._write(run, wait, [mark], beside, answered)

    def go_on_with_run(
        self,
        run: ActiveRun,
        wait: OpenWait,
        message: str,
        name: str,
        detail: str,
        beside: Sequence[Beside],
        answered: Callable[[Committed], None],
    ) -> None:
        """End the wait of a node by the message with this id, and let it wait for another end. It
        waits since its first wait was opened.
        """
        waits = open_waits(run)
        waits.remove(wait)
        following = wait.row._replace(name=name, detail=detail)
        closed = WaitRows(closed=[wait.closed(message)])
        wait = waits.add(wait.key.task, following)
        self._write(run, wait, (), [closed, *beside], answered)

    def _write(
        self,
        run: ActiveRun,
        wait: OpenWait,
        marks: Sequence[AttemptRow] = (),
        beside: Sequence[Beside] = (),
        answered: Callable[[Committed], None] | None = None,
    ) -> None:
        """Have the row of a wait written."""
        open_waits(run).opening += 1
        rows = [WaitRows(opened=[wait.row]), *beside]
        opened = partial(self._opened, run, wait, answered)
        self._records.add(AnsweredEntry(self._records.listener, run, marks, rows, opened))

    def _opened(
        self,
        run: ActiveRun,
        wait: OpenWait,
        answered: Callable[[Committed], None] | None,
        committed: Committed,
    ) -> None:
        """The row of a wait is durable. Waits that open together are checked once, as there may be
        thousands.
        """
        if failpoints.watches:
            failpoints.hit("wait.after_open")
        if answered is not None:
            answered(committed)
        waits = open_waits(run)
        wait.durable = True
        waits.opening -= 1
        if not waits.opening:
            self.check(run)

    # -- messages ----------------------------------------------------------------------------

    def messages_sent(self, run: ActiveRun, messages: int) -> None:
        """This number of messages was sent to a run of ours."""
        waits = waits_of(run)
        if waits is not None and messages > waits.sent:
            waits.sent = messages
            self.check(run)

    def came(self, message: NewMessage, number: int) -> bool:
        """This program has sent a message. False if its run is not here, or about to leave."""
        run = self._runs.get(message.run_id)
        if run is None or (waits := waits_of(run)) is None or run.life.state is State.OVER:
            return False
        stays = run.life.state is not State.LEAVING
        if not waits.append(row_of_message(message, number)):
            waits.sent = max(waits.sent, number)
        self._kernel.guarded(run, self.check, run)
        return stays

    # -- go on -------------------------------------------------------------------------------

    def check(self, run: ActiveRun) -> None:
        """End waits that are over, set a timer for the next, and let the life of the run decide
        whether it stays in memory.
        """
        waits, life = waits_of(run), run.life
        if waits is None or life.state in (State.OVER, State.LEAVING):
            return
        if life.state is not State.CANCELLING:
            if waits.has_news:  # first: a message that has come wins against time
                self._mail.read(run)
                return
            bodies_only = life.state is State.PAUSING
            for wait, message in waits.matches(bodies_only=bodies_only):
                self.ends.by_message(run, wait, message)
            for wait in waits.due(self._clock.wall(), bodies_only=bodies_only):
                self.ends.by_time(run, wait)
        if run.life.state is not State.OVER:
            self._look_again(run, waits)
            self._kernel.review(run)

    def _look_again(self, run: ActiveRun, waits: OpenWaits) -> None:
        """Check the run again when its first wait ends by time, or when it may be evicted. A timer
        that fires before stays: that is checked then, and each wait that opens would move it.
        """
        now, state, at = self._clock.wall(), run.life.state, None
        if state is not State.CANCELLING:
            at = _next_look(waits, now, self._evict_after, bodies_only=state is State.PAUSING)
            if at is not None and run in self._timers and now < self._timers[run][0] <= at:
                return
        self._disarm(run)
        if at is not None:
            seconds = min(max(0.0, (at - now) / SECOND), _LONGEST_TIMER)
            self._timers[run] = (at, self._loop.call_later(seconds, self._time_has_come, run))

    def _time_has_come(self, run: ActiveRun) -> None:
        del self._timers[run]
        self._kernel.guarded(run, self.check, run)

    def _disarm(self, run: ActiveRun) -> None:
        if (armed := self._timers.pop(run, None)) is not None:
            armed[1].cancel()

    # -- bodies ------------------------------------------------------------------------------

    def wait(self, call: BodyCall, asked: AskedWait) -> None:
        """A body waits for an instant or a message, without its slot."""
        self._kernel.guarded(call.attempt.owner, self._begin, call, asked)

    def defer(self, call: BodyCall, seconds: float) -> None:
        """A body waits for this number of seconds, without its slot."""
        self._bodies.defer(call, seconds)

    def _begin(self, call: BodyCall, asked: AskedWait) -> None:
        """A body waits. It finds the wait that it had begun before it was suspended or lost, and
        the end of a wait that has ended meanwhile.
        """
        attempt, run = call.attempt, call.attempt.owner
        waits, now = open_waits(run), self._clock.wall()
        if asked.kind == APPROVAL and (other := asker_of(run, attempt.index, asked.name)):
            self._bodies.refuse(call, name_taken(attempt.task_id, asked.name, other))
            return
        key = WaitKey(attempt.index, asked.number, asked.kind, asked.name)
        memo, wait = waits.ended.pop(key, None), waits.get(key)
        if memo is None:
            memo = waits.undelivered.pop((attempt.index, asked.kind, asked.name), None)
        if memo is not None and memo.input_hash == asked.input_hash:
            self._bodies.answer(call, memo)
            return
        if wait is None or not _goes_on(wait, attempt, asked):
            wait = waits.add(attempt.index, row_of_body(attempt, asked, now))
            self._write(run, wait)
        self._bodies.attend(call, wait, may_suspend=asked.may_suspend)
        self.check(run)

    def withdraw(self, call: BodyCall) -> None:
        """A body has cut its own wait off. If the end of the wait is being written, it stays: a
        message in it goes to the next wait of the body for the same event.
        """
        wait = self._bodies.withdraw(call)
        if wait is not None and wait.ending:
            wait.cut_off = True
        elif wait is not None:
            run = call.attempt.owner
            open_waits(run).remove(wait)
            rows = WaitRows(closed=[wait.closed()])
            self._records.note(run, [], [rows], partial(self.check, run))

    def suspended(self, attempt: Attempt) -> None:
        """The body of an attempt was suspended. It runs again when one of its waits is over."""
        failpoints.hit("body.left")
        run, task, waits = attempt.owner, attempt.index, open_waits(attempt.owner)
        for wait in waits.of(task):
            self._bodies.forget(wait)
        row = attempt_rows.suspended(attempt)
        run.latest[task] = row
        waits.suspended[task] = resumption(row, attempt.uncounted)
        self._records.note(run, [row], (), partial(self._is_away, run, task))

    def _is_away(self, run: ActiveRun, task: int) -> None:
        waits = open_waits(run)
        if task in waits.suspended and not waits.of(task) and run.life.state is not State.OVER:
            self.ends.run_again(run, task)
        self.check(run)

    # -- forget ------------------------------------------------------------------------------

    def ended(self, run: ActiveRun, task: int) -> Sequence[WaitRows]:
        """The attempt of a task has ended: its waits are closed with it."""
        waits = open_waits(run)
        ended = waits.of(task)
        for wait in ended:
            waits.remove(wait)
            self._bodies.forget(wait)
        waits.forget_ended(task)
        return _closed(ended)

    def over(self, run: ActiveRun) -> Sequence[WaitRows]:
        """The end of the run is about to be written: its waits are closed with it."""
        return _closed(list(open_waits(run)))

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or this runner no longer owns it."""
        self._disarm(run)
        self._mail.forget(run)
        if run.graph.has_child_nodes and self.ends.child_nodes is not None:
            self.ends.child_nodes.forget(run)
        for wait in open_waits(run):
            self._bodies.forget(wait)


_LONGEST_TIMER: Final = 86_400.0
"""Seconds; a timer that fires early checks again."""


def _waits_already() -> None:
    """Does nothing: the end of the body's wait starts the task."""


def _next_look(waits: OpenWaits, now: int, evict_after: int, *, bodies_only: bool) -> int | None:
    """The instant at which the first wait ends by time, or the run may be evicted."""
    instants = []
    if (due := waits.next_due(bodies_only=bodies_only)) is not None:
        instants.append(due)
    if (since := waits.newest_for_event()) is not None and since + evict_after > now:
        instants.append(since + evict_after)
    return min(instants, default=None)


def _closed(waits: Sequence[OpenWait]) -> Sequence[WaitRows]:
    """The rows of waits that end without a message."""
    return [WaitRows(closed=[wait.closed() for wait in waits])] if waits else ()


def _goes_on(wait: OpenWait, attempt: Attempt, asked: AskedWait) -> bool:
    """Whether an open wait is the wait that this body asks for."""
    return wait.row.attempt == attempt.number and wait.row.input_hash == asked.input_hash
