"""Opens and ends the waits of runs that are ours: those of nodes, and those of bodies.

A wait is over by a message or by time. Each end is one commit, which takes the message, closes the
wait and has what follows for the run. Messages are read when a commit or the news have told of some
that are not known; so no message is missed that came while a wait was being opened, and a time-out
is decided by the table, which knows of messages that are not known here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVarTuple

from cloaca_core._engine.plan.merge import Change
from cloaca_core._engine.plan.open_waits import OpenWait, OpenWaits, WaitKey
from cloaca_core._engine.plan.restore import resumption
from cloaca_core._engine.plan.waits import (
    WaitOutcome,
    due_at,
    outcome_of_message,
    outcome_of_timeout,
)
from cloaca_core._engine.record import attempt_rows
from cloaca_core._engine.record.wait_rows import WaitRows
from cloaca_core._engine.runtime import failpoints
from cloaca_core._engine.wait.rows import (
    VALUE_OF_TIMEOUT,
    memo_of,
    row_of_body,
    row_of_message,
    row_of_node,
    value_of_message,
)
from cloaca_core.definition.waits.kinds import Sleep
from cloaca_core.errors import CloacaError, StoreError, StoreUnavailableError
from cloaca_core.records.states import RunStatus
from cloaca_core.records.waits import (
    SLEEP,
    ClosedWait,
    MessageRow,
    NewMessage,
    WaitTimeout,
)
from cloaca_core.values.backoff import Backoff
from cloaca_core.values.instants import SECOND

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from cloaca_core._engine.execute.asked_wait import AskedWait
    from cloaca_core._engine.execute.attempt import Attempt
    from cloaca_core._engine.plan.active_run import ActiveRun
    from cloaca_core._engine.plan.planner import Step
    from cloaca_core._engine.plan.restore import Resume
    from cloaca_core._engine.record.memos import BodyCall
    from cloaca_core._engine.wait.body_waits import BodyWaits
    from cloaca_core.records.memos import MemoRow
    from cloaca_core.records.runs import AttemptRow
    from cloaca_core.store.protocol import WaitStore
    from cloaca_core.values.clock import Clock

Ts = TypeVarTuple("Ts")

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0
"""Seconds between two tries to read while the database is away."""


class OwnedRuns(Protocol):
    """The runs that this runner owns."""

    def get(self, run_id: str) -> ActiveRun | None:
        """The run of this id, if it is ours."""


class WaitCourse(Protocol):
    """The steps of a run that its waits cause; the orchestrator takes them."""

    def follow(
        self,
        run: ActiveRun,
        step: Step,
        attempts: list[AttemptRow],
        closed: Sequence[ClosedWait] = (),
    ) -> None:
        """Record the rows of a fact together with its consequences, then act on them."""

    def fail(
        self,
        run: ActiveRun,
        task: int,
        row: AttemptRow,
        error: str,
        closed: Sequence[ClosedWait] = (),
    ) -> None:
        """A task has failed for good."""

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

    def time_out(
        self, run: ActiveRun, timeout: WaitTimeout, decided: Callable[[bool], None]
    ) -> None:
        """Have it decided whether the time of a wait is over, and call ``decided`` with that."""

    def launch(self, run: ActiveRun, tasks: Sequence[int]) -> None:
        """Start these tasks."""

    def settle(self, run: ActiveRun) -> None:
        """Give the run back, or end it, if nothing of it can go on for now."""

    def guarded(self, run: ActiveRun, step: Callable[[*Ts], None], *args: *Ts) -> None:
        """Take a step of a run; an error in the engine ends the run."""


class Waits:
    """Belongs to the engine's loop."""

    def __init__(
        self,
        store: WaitStore,
        evict_after: float,
        runs: OwnedRuns,
        clock: Clock,
        bodies: BodyWaits,
        course: WaitCourse,
    ) -> None:
        self._linger = round(evict_after * SECOND)
        self._store = store
        self._runs = runs
        self._clock = clock
        self._bodies = bodies
        self._course = course
        self._loop = asyncio.get_running_loop()
        self._timers: dict[ActiveRun, asyncio.TimerHandle] = {}
        self._reading: dict[ActiveRun, asyncio.Task[None]] = {}

    # -- begin -------------------------------------------------------------------------------

    def takes(self, run: ActiveRun, task: int, resume: Resume) -> bool:
        """Whether a task that was to start waits instead: a node, or one whose body has left in a
        wait that is still open.
        """
        if run.graph.tasks[task].wait is None:
            return run.waits is not None and task in run.waits.left
        if not self._is_open(run, task, resume.attempt):
            self._open(run, task, resume)
        return True

    def _is_open(self, run: ActiveRun, task: int, attempt: int) -> bool:
        """Whether the node waits already: an earlier owner has opened it."""
        if run.waits is None:
            return False
        return any(wait.row.attempt == attempt for wait in run.waits.of(task))

    def _open(self, run: ActiveRun, task: int, resume: Resume) -> None:
        """Open a node. A sleep that is over by now only gets its end."""
        node, task_id, now = (
            run.graph.tasks[task].wait,
            run.graph.tasks[task].id,
            self._clock.wall(),
        )
        assert node is not None
        try:
            due = due_at(node, task_id, now, run.plan.contexts.given(task))
        except CloacaError as error:
            row = attempt_rows.of_node(run, task, resume.attempt, now, now, error=error)
            self._course.fail(run, task, row, f"{row.error_type}: {row.error_message}")
            return
        if isinstance(node, Sleep) and due is not None and due <= now:
            self._conclude(run, task, outcome_of_timeout(node, task_id, now), resume.attempt, now)
            return
        mark = attempt_rows.of_node(run, task, resume.attempt, now)
        run.latest[task] = mark
        waits = waits_of(run)
        wait = waits.add(task, row_of_node(node, mark, due))
        self._write(run, wait, [mark])

    def _write(self, run: ActiveRun, wait: OpenWait, marks: Sequence[AttemptRow] = ()) -> None:
        """Have the row of a wait written."""
        waits_of(run).opening += 1
        rows = WaitRows(opened=[wait.row])
        self._course.note(run, marks, rows, partial(self._opened, run, wait))

    def _opened(self, run: ActiveRun, wait: OpenWait) -> None:
        """The row of a wait is durable. Those that open together are looked at once, as there may
        be thousands.
        """
        failpoints.hit("wait.after_open")
        waits = waits_of(run)
        wait.durable = True
        waits.opening -= 1
        if not waits.opening:
            self.check(run)

    # -- messages ----------------------------------------------------------------------------

    def told(self, run: ActiveRun, messages: int) -> None:
        """So many messages were sent to a run of ours."""
        if run.waits is not None and messages > run.waits.told:
            run.waits.told = messages
            self.check(run)

    def came(self, message: NewMessage, number: int) -> None:
        """This program has sent a message, which has this number, to a run that may be ours."""
        run = self._runs.get(message.run_id)
        if run is None or run.waits is None or run.over:
            return
        if run.waits.append(row_of_message(message, number)):
            self._course.guarded(run, self.check, run)
        else:
            self._course.guarded(run, self.told, run, number)

    def _read(self, run: ActiveRun, *, some_unnumbered: bool = False) -> None:
        if run not in self._reading:
            reading = self._read_messages(run, some_unnumbered=some_unnumbered)
            self._reading[run] = self._loop.create_task(reading)

    async def _read_messages(self, run: ActiveRun, *, some_unnumbered: bool) -> None:
        """Read the unread messages of a run that are not known here; give numbers first to those
        that have none yet.
        """
        waits, now = waits_of(run), self._clock.wall()
        told, seen = waits.told, waits.seen
        try:
            if some_unnumbered:
                await self._persistently(lambda: self._store.number_messages([run.id], now))
            unread = await self._persistently(lambda: self._store.messages([run.id], seen))
        except StoreError as error:
            del self._reading[run]
            self._course.guarded(run, _give_up, error)
        else:
            del self._reading[run]  # first: more may have come while it was read
            self._course.guarded(run, self._put, run, unread, told)

    def _put(self, run: ActiveRun, unread: Sequence[MessageRow], told: int) -> None:
        waits_of(run).put(unread, told)
        self.check(run)

    async def _persistently(self, ask: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """The answer of the database, however long it cannot be reached."""
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                return await ask()
            except StoreUnavailableError:
                await backoff.wait()

    # -- go on -------------------------------------------------------------------------------

    def check(self, run: ActiveRun) -> None:
        """End what is over, look again when something else may be, and let the run go if nothing of
        it can go on before.
        """
        waits = run.waits
        if waits is None or run.over or run.parked:
            return
        if run.wish != RunStatus.CANCELLED:
            if waits.has_news:  # first: a message that has come wins against time
                self._read(run)
                return
            bodies_only = run.wish is not None
            for wait, message in waits.matches(bodies_only=bodies_only):
                self._end_by_message(run, wait, message)
            for wait in waits.due(self._clock.wall(), bodies_only=bodies_only):
                self._end_by_time(run, wait)
        if not run.over:
            self._look_again(run, waits)
            self._course.settle(run)

    def _look_again(self, run: ActiveRun, waits: OpenWaits) -> None:
        """Check the run when its first wait is over by time, or it has stayed here for long."""
        self._disarm(run)
        if run.wish == RunStatus.CANCELLED:
            return
        now, instants = self._clock.wall(), []
        if (due := waits.next_due(bodies_only=run.wish is not None)) is not None:
            instants.append(due)
        if (since := waits.newest_for_event()) is not None and since + self._linger > now:
            instants.append(since + self._linger)
        if instants:
            seconds = max(0.0, (min(instants) - now) / SECOND)
            check = partial(self._course.guarded, run, self.check, run)
            self._timers[run] = self._loop.call_later(min(seconds, _LONGEST_TIMER), check)

    def _disarm(self, run: ActiveRun) -> None:
        if (timer := self._timers.pop(run, None)) is not None:
            timer.cancel()

    # -- ends --------------------------------------------------------------------------------

    def _end_by_message(self, run: ActiveRun, wait: OpenWait, message: MessageRow) -> None:
        node, task = run.graph.tasks[wait.key.task].wait, wait.key.task
        if run.over:
            return
        if not wait.row.is_of_node:
            self._remember(run, wait, value_of_message(message), message.number)
        elif node is not None and not isinstance(node, Sleep):
            outcome = outcome_of_message(node, run.graph.tasks[task].id, message.payload)
            self._end_node(run, wait, outcome, message.number)

    def _end_by_time(self, run: ActiveRun, wait: OpenWait) -> None:
        if run.over:
            return
        wait.ending = True
        if wait.row.kind == SLEEP or wait.row.timed_out:
            self._end_timed_out(run, wait)
            return
        row, seen = wait.row, waits_of(run).seen
        timeout = WaitTimeout(run.id, row.task_id, row.kind, row.name, row.number, seen)
        self._course.time_out(run, timeout, partial(self._is_decided, run, wait))

    def _end_timed_out(self, run: ActiveRun, wait: OpenWait) -> None:
        node, task_id = run.graph.tasks[wait.key.task].wait, wait.row.task_id
        if wait.row.is_of_node and node is not None:
            self._end_node(run, wait, outcome_of_timeout(node, task_id, self._clock.wall()), None)
        else:
            self._remember(run, wait, VALUE_OF_TIMEOUT, None)

    def _is_decided(self, run: ActiveRun, wait: OpenWait, over: bool) -> None:
        """The table has decided whether the time of a wait is over."""
        if run.over or not waits_of(run).has(wait):
            return
        if over:
            wait.row = wait.row._replace(timed_out=1)
            self._end_timed_out(run, wait)
        else:
            wait.ending = False
            self._read(run, some_unnumbered=True)

    def _end_node(
        self, run: ActiveRun, wait: OpenWait, outcome: WaitOutcome, message: int | None
    ) -> None:
        failpoints.hit("wait.before_close")
        waits_of(run).remove(wait)
        closed, row = [wait.closed(message)], wait.row
        self._conclude(run, wait.key.task, outcome, row.attempt, row.opened_at, closed)

    def _conclude(
        self,
        run: ActiveRun,
        task: int,
        outcome: WaitOutcome,
        attempt: int,
        opened_at: int,
        closed: Sequence[ClosedWait] = (),
    ) -> None:
        now = self._clock.wall()
        if isinstance(outcome, Change):
            row = attempt_rows.of_node(run, task, attempt, opened_at, now, change=outcome)
            run.size_bound += len((row.change or "").encode())
            self._course.follow(run, run.plan.completed(task, outcome), [row], closed)
        else:
            row = attempt_rows.of_node(run, task, attempt, opened_at, now, error=outcome)
            self._course.fail(run, task, row, f"{outcome.type}: {outcome.message}", closed)

    # -- bodies ------------------------------------------------------------------------------

    def begin(self, call: BodyCall, asked: AskedWait) -> None:
        """A body waits. It finds a wait that it had begun before it left or was lost, and how one
        has ended meanwhile.
        """
        attempt, run = call.attempt, call.attempt.owner
        waits, now = waits_of(run), self._clock.wall()
        key = WaitKey(attempt.index, asked.number, asked.kind, asked.name)
        memo, wait = waits.ended.pop(key, None), waits.get(key)
        if memo is not None and memo.input_hash == asked.input_hash:
            self._bodies.answer(call, memo)
            return
        if wait is None or not _goes_on(wait, attempt, asked):
            wait = waits.add(attempt.index, row_of_body(attempt, asked, now))
            self._write(run, wait)
        self._bodies.attend(call, wait, may_leave=asked.may_leave)
        self.check(run)

    def _remember(self, run: ActiveRun, wait: OpenWait, value: str, message: int | None) -> None:
        """Note how the wait of a body has ended, for the body that is here or comes again."""
        failpoints.hit("wait.before_close")
        wait.ending = True
        memo = memo_of(wait.row, value, self._clock.wall())
        rows = WaitRows(closed=[wait.closed(message)], memos=[memo])
        marks = self._marks_of_return(run, wait.key.task)
        self._course.note(run, marks, rows, partial(self._remembered, run, wait, memo))

    def _marks_of_return(self, run: ActiveRun, task: int) -> list[AttemptRow]:
        """The state of a task whose body has left, and is to run again though other waits of it are
        open: a next owner cannot tell that one is over.
        """
        waits = waits_of(run)
        if task not in waits.left or len(waits.of(task)) == 1:
            return []
        run.latest[task] = attempt_rows.comes_again(run.latest[task])
        return [run.latest[task]]

    def _remembered(self, run: ActiveRun, wait: OpenWait, memo: MemoRow) -> None:
        waits = waits_of(run)
        is_open = waits.has(wait)  # else its attempt has ended meanwhile
        waits.remove(wait)
        if wait.attended:
            self._bodies.go_on(wait, memo)
        elif is_open:
            waits.ended[wait.key] = memo  # for a body that has read its memos and comes here soon
            if wait.key.task in waits.left:
                self._run_again(run, wait.key.task)
        self.check(run)

    def withdraw(self, call: BodyCall) -> None:
        """A body has cut its own wait off. An end that is on the way to the table is kept."""
        wait = self._bodies.withdraw(call)
        if wait is None or wait.ending:
            return
        run = call.attempt.owner
        waits_of(run).remove(wait)
        rows = WaitRows(closed=[wait.closed()])
        self._course.note(run, [], rows, partial(self.check, run))

    def has_left(self, attempt: Attempt) -> None:
        """The body of an attempt has left in a wait: it runs again when a wait of it is over."""
        failpoints.hit("body.left")
        run, task, waits = attempt.owner, attempt.index, waits_of(attempt.owner)
        for wait in waits.of(task):
            self._bodies.forget(wait)
        row = attempt_rows.has_left(attempt)
        run.latest[task] = row
        waits.left[task] = resumption(row, attempt.uncounted)
        self._course.note(run, [row], None, partial(self._is_away, run, task))

    def _is_away(self, run: ActiveRun, task: int) -> None:
        waits = waits_of(run)
        if task in waits.left and not waits.of(task) and not run.over:  # over meanwhile
            self._run_again(run, task)
        self.check(run)

    def _run_again(self, run: ActiveRun, task: int) -> None:
        run.resume[task] = waits_of(run).left.pop(task)
        self._course.launch(run, [task])

    # -- forget ------------------------------------------------------------------------------

    def close_of(self, run: ActiveRun, task: int) -> list[ClosedWait]:
        """The waits of a task whose attempt has ended: they are to be closed with it."""
        if run.waits is None:
            return []
        open_waits = run.waits.of(task)
        for wait in open_waits:
            run.waits.remove(wait)
            self._bodies.forget(wait)
        run.waits.forget_ended(task)
        return [wait.closed() for wait in open_waits]

    def close_all(self, run: ActiveRun) -> list[ClosedWait]:
        """The waits of a run that ends: they are to be closed with it."""
        return [] if run.waits is None else [wait.closed() for wait in run.waits]

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or not ours any more."""
        self._disarm(run)
        if (reading := self._reading.pop(run, None)) is not None:
            reading.cancel()
        for wait in run.waits or ():
            self._bodies.forget(wait)


_LONGEST_TIMER: Final = 86_400.0
"""Seconds; a timer that comes early looks again."""


def _give_up(error: StoreError) -> None:
    """The waits of a run cannot be read, so it cannot go on."""
    raise error


def _goes_on(wait: OpenWait, attempt: Attempt, asked: AskedWait) -> bool:
    """Whether a wait that is open already is the one that this body asks for."""
    return wait.row.attempt == attempt.number and wait.row.input_hash == asked.input_hash


def waits_of(run: ActiveRun) -> OpenWaits:
    """The waits of a run, which has some from now on."""
    if run.waits is None:
        run.waits = OpenWaits(run.row.messages)
    return run.waits
