"""One attempt: runs its body and keeps its outcome.

Sync and async bodies are called differently; ``returned`` judges their results, ``outcome`` their
errors. This module decides nothing about retries and knows no store.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.engine.execute.body_log import CURRENT_LOG
from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.engine.execute.forked import OneProcess, end_process
from cloaca_core.engine.execute.item_calls import item_arguments
from cloaca_core.engine.execute.outcome import CutOff, Outcome, left, outcome_of, raised
from cloaca_core.engine.execute.returned import returned
from cloaca_core.engine.execute.work import ENGINE_PROCESS, Work
from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import BodyCancelled, no_connection
from cloaca_core.logs import SafeLogger
from cloaca_core.run.rows import THE_TASK
from cloaca_core.values.events import TASK_STARTED
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.payloads.redaction import LineRedact
from cloaca_core.values.this_process import THIS_PROCESS
from cloaca_core.values.times.no_limit import in_seconds

if TYPE_CHECKING:
    from cloaca_core.definition.handles.wait_calls import BodyCalls
    from cloaca_core.definition.task import Task
    from cloaca_core.engine.execute.body_log import OpenLog, TaskLogs
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.restore import Resume
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.map_items import Item
    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.times.clock import Clock


log = SafeLogger("cloaca.engine")

_COUNTING = threading.Lock()
"""Held while calls of a body are counted, as a body may have several threads."""


class HandlePort(Protocol):
    """Makes the objects behind the handles of bodies, for features."""

    @property
    def body_calls(self) -> Callable[[Attempt], BodyCalls]:
        """Makes the object by which a handle makes steps, waits and children."""


@dataclass(frozen=True, slots=True)
class AttemptTools:
    """Shared by all attempts of one engine.

    ``limit`` is the time limit in seconds of a body whose task sets none, ``max_bytes`` the largest
    context that a body may hand on. ``finished`` is called with an attempt on the engine's loop
    when its body has run.
    """

    clock: Clock
    limit: float
    max_bytes: int
    finished: Callable[[Work], None]
    handles: HandlePort
    logs: TaskLogs


class AttemptWork(Work):
    """User code of one attempt: the body itself, which is the ``Attempt``, or a follow-up.

    ``waits`` counts the runs that it waits for; its slot is free until all of them have ended.
    ``calls`` counts the runs that it has submitted.
    """

    __slots__ = ("calls", "waits")

    def __init__(
        self,
        run: ActiveRun,
        *,
        is_async: bool,
        clock: Clock,
        finished: Callable[[Work], None] = lambda _: None,
    ) -> None:
        super().__init__(
            is_async=is_async,
            clock=clock,
            finished=finished,
            priority=run.row.priority,
            since=run.row.claimable_at,
        )
        self.waits: int = 0
        self.calls: int = 0

    @property
    @abstractmethod
    def attempt(self) -> Attempt:
        """The attempt that it belongs to."""

    @abstractmethod
    def child_keys(self) -> list[str]:
        """Idempotency keys for the next run that it submits; they are the same when it runs again.
        A key is used when the run with the key before it has failed.
        """

    def next_call(self) -> int:
        """The number of its next call that starts a run."""
        with _COUNTING:
            self.calls += 1
            return self.calls

    def count_calls(self, calls: int) -> None:
        """The number of runs that the body had submitted when it came to this point before."""
        with _COUNTING:
            self.calls = max(self.calls, calls)


class Attempt(AttemptWork):
    """One attempt of one task, or of one ``item`` of a map. ``resume`` says how earlier attempts
    ended. ``index`` is its unit: of a task, the index in the graph.

    ``number`` counts from 1; ``uncounted`` is the number of attempts before it that used up none of
    the task's. ``children_restarted``: failed runs that its calls had submitted were restarted
    before it; ``restarts_children``: they are as its calls come to them. ``shared``: its executor
    has broken before, with all its bodies. ``alone`` is set while no other body may run beside it,
    as it is a suspect. ``started_at`` is wall time in µs when the body begins. ``context`` is made
    at that moment from ``given``, which many attempts may share. ``marked``: its start mark is
    being written. ``ahead`` is set until the record that it was prepared ahead of is durable.
    ``is_suspending``: the body was asked to end while it waits. ``begun_at`` is the instant at
    which a suspended body first began, None if it was not suspended. ``domain`` is the failure
    domain: the bodies in it die together.
    """

    domain: str = ENGINE_PROCESS
    record: AttemptRow | None = None
    """The row of its success, if the body's own transaction has written it."""

    __slots__ = (
        "ahead",
        "alone",
        "begun_at",
        "children_restarted",
        "context",
        "crashes",
        "given",
        "index",
        "is_suspending",
        "item",
        "marked",
        "number",
        "outcome",
        "owner",
        "restarts_children",
        "shared",
        "started_at",
        "task",
        "task_log",
        "timeout",
        "tools",
        "uncounted",
    )

    def __init__(
        self,
        owner: ActiveRun,
        index: int,
        given: dict[str, JsonValue],
        resume: Resume,
        tools: AttemptTools,
        item: Item | None = None,
    ) -> None:
        self.task: Task = owner.graph.tasks[index if item is None else item.task]
        super().__init__(
            owner, is_async=self.task.is_async, clock=tools.clock, finished=tools.finished
        )
        self.tools: AttemptTools = tools
        self.owner: ActiveRun = owner
        self.index: int = index
        self.item: Item | None = item
        self.number: int = resume.attempt
        self.given: dict[str, JsonValue] = given
        limit = self.task.timeout_seconds
        self.timeout: float = tools.limit if limit is None else in_seconds(limit)
        self.crashes: int = resume.crashes
        self.uncounted: int = resume.uncounted
        self.children_restarted: bool = resume.children_restarted
        self.restarts_children: bool = resume.restarts_children
        self.shared: bool = resume.shared
        self.alone: bool = False
        self.begun_at: int | None = owner.latest[index].started_at if resume.was_suspended else None
        self.is_suspending: bool = False
        self.started_at: int | None = None
        self.context: Context
        self.outcome: Outcome | None = None
        self.marked: bool = False
        self.ahead: bool = False
        self.task_log: OpenLog = tools.logs.open(owner, self.task.id, resume.attempt)
        if item is not None:
            self.task_log.item = item.index

    @property
    def attempt(self) -> Attempt:
        """The attempt itself."""
        return self

    @property
    def connection(self) -> object:
        """The transaction of a transactional task."""
        raise no_connection(self.task.id)

    @property
    def was_suspended(self) -> bool:
        """Whether its body was suspended in a wait before, and runs again from its top."""
        return self.begun_at is not None

    @property
    def counted(self) -> int:
        """Its number among the attempts that the retry policy counts."""
        return self.number - self.uncounted

    @property
    def run_id(self) -> str:
        """The id of its run."""
        return self.owner.id

    @property
    def task_id(self) -> str:
        """The short id of its task."""
        return self.task.id

    @property
    def epoch(self) -> int:
        """The epoch of its run."""
        return self.owner.epoch

    @property
    def cancelled(self) -> bool:
        """Whether the body is asked to end: its run is being cancelled, or was."""
        return self.owner.cancelled

    @property
    def redact(self) -> LineRedact:
        """Hides secrets in texts of its body."""
        return self.tools.logs.redact

    def child_keys(self) -> list[str]:
        return self.keys_of(str(self.next_call()))

    def keys_of(self, call: str) -> list[str]:
        """Keys made of run, task or item, and call. Each further attempt may submit a failed run
        anew.
        """
        place = self.task.id if self.item is None else self.key_part
        key = SEPARATOR.join([self.owner.id, place, call])
        return [key, *(f"{key}{SEPARATOR}{number}" for number in range(2, self.number + 1))]

    def begin(self) -> None:
        """Set ``started_at`` first: a reader that sees it running finds it set."""
        self.started_at = self.tools.clock.wall() if self.begun_at is None else self.begun_at
        super().begin()

    def run(self) -> None:
        """Call the body, in a copy of the present context variables."""
        self._begin()
        self._come_to(contextvars.copy_context().run(call_body, self))
        self._end()

    async def run_async(self) -> None:
        """Await the body; the loop gave it a context of its own."""
        self._begin()
        try:
            self._come_to(await await_body(self))
        finally:
            self._end()

    def broke(self, error: BaseException) -> None:
        """Fail for good: the error may come from the retry policy itself."""
        self._come_to(raised(error, again=False, redact=self.redact))

    def __str__(self) -> str:
        """The beginning of log lines about this attempt."""
        return f"run {self.owner.id} task {self.name} attempt {self.number}"

    @property
    def name(self) -> str:
        """The task, or ``task[label]`` of an item, as people read it."""
        return self.task.id if self.item is None else self.item.name(self.task.id)

    @property
    def key_part(self) -> str:
        """The task, or the item, in the keys of the runs that it submits."""
        task_id, item = self.task.id, self.item
        return task_id if item is None else f"{task_id}{SEPARATOR}{item.key_part}"

    def log_ids(self, event: str | None = None) -> dict[str, object]:
        """Returns the fields of a log record about this attempt, or about an event of it."""
        ids: dict[str, object]
        ids = {"run_id": self.owner.id, "task_id": self.task.id, "attempt": self.number}
        if self.item is not None:
            ids["item"] = self.item.index
        return ids if event is None else {"event": event, **ids}

    def arguments(self) -> tuple[object, ...]:
        """The arguments that the body is called with."""
        if not self.task.wants_handle:
            return (self.context,)
        handle = AsyncTaskHandle if self.is_async else TaskHandle
        return (self.context, handle(self, self.tools.handles.body_calls(self)))

    def bound(self, item: Item) -> Callable[[], object]:
        """The body of an item with its arguments."""
        assert self.task.map is not None, "only a map has items"
        handle = self.arguments()[-1] if self.task.wants_handle else None
        others = item_arguments(item, self.task.map.parameters, handle)
        return partial(self.task.function, self.context, **others)

    def _begin(self) -> None:
        if log.answers.get(logging.DEBUG, True):
            log.debug("%s: started", self, extra=self.log_ids(TASK_STARTED))
        if failpoints.watches:
            failpoints.hit("body.before")
        self.context = Context._view(self.given)

    def _come_to(self, outcome: Outcome) -> None:
        if not self.abandoned:  # else it timed out: another part sets its outcome
            self.outcome = outcome

    def _end(self) -> None:
        self.clock.pause()
        if failpoints.watches:
            failpoints.hit("body.after")


def begin_here(work: AttemptWork, attempt: Attempt) -> None:
    """From now on this thread or coroutine runs user code of the attempt: set its log, and make the
    span of the attempt the current one.
    """
    CURRENT_WORK.set(work)
    CURRENT_LOG.set(attempt.task_log)
    if (spans := attempt.owner.spans) is not None:
        item = THE_TASK if attempt.item is None else attempt.item.index
        spans.enter(attempt.task.id, attempt.number, item)


def call_body(attempt: Attempt) -> Outcome:
    """Call the body of an attempt on this thread."""
    begin_here(attempt, attempt)
    forks = THIS_PROCESS.forks
    try:
        if attempt.item is not None:
            value = attempt.bound(attempt.item)()
        elif attempt.task.wants_handle:
            value = attempt.task.function(*attempt.arguments())
        else:
            value = attempt.task.function(attempt.context)
    except BaseException as error:  # noqa: BLE001 - a body's SystemExit fails its attempt, no more
        if forks != THIS_PROCESS.forks:
            end_process(error)
        if attempt.is_suspending:
            return left(attempt, error)
        if attempt.cancelled and isinstance(error, BodyCancelled):
            return CutOff()
        return outcome_of(attempt, error)
    if forks != THIS_PROCESS.forks:
        end_process()
    return returned(attempt, value)


async def await_body(attempt: Attempt) -> Outcome:
    """Await the body of an attempt on this loop."""
    begin_here(attempt, attempt)
    try:
        with OneProcess():
            if attempt.item is not None:
                value = await attempt.bound(attempt.item)()  # type: ignore[misc]  # by is_async
            else:
                value = await attempt.task.function(*attempt.arguments())  # type: ignore[misc]  # by is_async
    except BaseException as error:
        if attempt.abandoned and isinstance(error, asyncio.CancelledError):
            raise
        if attempt.cancelled and isinstance(error, asyncio.CancelledError | BodyCancelled):
            return CutOff()
        if attempt.is_suspending:
            return left(attempt, error)
        return outcome_of(attempt, error)
    return returned(attempt, value)
