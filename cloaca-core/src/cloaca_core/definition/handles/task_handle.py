"""``TaskHandle``: tells a task's body about its attempt, and keeps the values of its steps.

``AsyncTaskHandle``, for bodies that are ``async def``, is rendered from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast, overload

from cloaca_core.values.arguments import number, wrong_type
from cloaca_core.values.log_levels import checked_level
from cloaca_core.values.missing import MISSING, Missing

if TYPE_CHECKING:  # a program that only defines workflows does not load them
    from datetime import datetime

    from cloaca_core.client.handles import RunHandle
    from cloaca_core.definition.context import Context, ContextLike
    from cloaca_core.definition.handles.child_handle import ChildHandle
    from cloaca_core.definition.handles.steps import Steps, TypedSteps
    from cloaca_core.definition.handles.wait_calls import BodyCalls
    from cloaca_core.definition.retries.policy import RetryPolicy
    from cloaca_core.values.map_items import Item, ItemResult
    from cloaca_core.values.option_names import FailedPolicyName, SingletonPolicyName
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class BodyLog(Protocol):
    """The log of an attempt. Any thread of its body may call it."""

    def log(self, message: object, level: str, number: int, fields: Mapping[str, object]) -> None:
        """Keep a line, if its level is kept."""

    def tell(self, done: float, total: float | None, text: str | None) -> None:
        """Keep how far the body has come."""


class RunningAttempt(Protocol):
    """The attempt behind a handle; each property is read live, not from a copy."""

    @property
    def run_id(self) -> str:
        """The id of its run."""

    @property
    def task_id(self) -> str:
        """The short id of its task."""

    @property
    def number(self) -> int:
        """The number of the attempt, from 1."""

    @property
    def epoch(self) -> int:
        """The number of owners that the run has had."""

    @property
    def item(self) -> Item | None:
        """The item of a map that it is for."""

    @property
    def holds_slot(self) -> bool:
        """False while its body waits for another run."""

    @property
    def abandoned(self) -> bool:
        """True once the engine has given the attempt up."""

    @property
    def cancelled(self) -> bool:
        """True once its run is being cancelled."""

    @property
    def task_log(self) -> BodyLog:
        """Its log."""

    @property
    def connection(self) -> object:
        """The connection of a transactional body."""


class AttemptHandle:
    """The facts that both handles tell.

    ``idempotency_key`` is the same for every attempt of this task in this run, or of this item of
    a map, and ``epoch``
    grows each time the run changes its owner: with them a body can keep other systems from acting
    twice on one request.
    """

    __slots__ = ("_attempt", "_steps")

    def __init__(self, attempt: RunningAttempt, steps: BodyCalls) -> None:
        self._attempt = attempt
        self._steps = steps

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._attempt.run_id

    @property
    def task_id(self) -> str:
        """The short id of the task."""
        return self._attempt.task_id

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self._attempt.number

    @property
    def epoch(self) -> int:
        """The number of owners that the run has had, this one included."""
        return self._attempt.epoch

    @property
    def idempotency_key(self) -> str:
        """``run_id:task_id``; of an item of a map ``run_id:task_id::label``, and with ``@2`` at its
        end once the map was started with other items, ``@3`` after that. A label that ends so
        itself has ``@1`` behind it at first.
        """
        item = self._attempt.item
        place = self.task_id if item is None else f"{self.task_id}::{item.key}"
        return f"{self.run_id}:{place}"

    @property
    def index(self) -> int | None:
        """The place of the item in its map, from 0; None outside of maps."""
        item = self._attempt.item
        return None if item is None else item.index

    @property
    def label(self) -> str | int | None:
        """The label of the item: its index where the map has no labels; None outside of maps."""
        item = self._attempt.item
        return None if item is None else item.label

    @property
    def item_count(self) -> int | None:
        """The number of items of the map; None outside of maps."""
        item = self._attempt.item
        return None if item is None else item.count

    @property
    def cancelled(self) -> bool:
        """True once the body should end: its run is being cancelled, or the engine gave it up.

        A body in a thread cannot be interrupted. One that runs for long asks now and then, cleans
        up and returns; each call into cloaca raises ``BodyCancelled`` then.
        """
        return self._attempt.cancelled or self._attempt.abandoned

    @property
    def connection(self) -> Any:
        """The transaction of a task with ``transactional=True``, in the runner's database: a
        connection of sqlite3 or psycopg, in a coroutine of aiosqlite or a
        ``psycopg.AsyncConnection``. When the body returns, its rows and the record of its success
        commit together; when it raises, both are rolled back. The body neither commits nor rolls
        back; savepoints are its own.
        """
        return self._attempt.connection

    def log(self, message: object, /, *, level: str | int = "INFO", **fields: object) -> None:
        """Keep a line in the log of this task; see ``run.logs()``. Returns at once.

        ``level`` is one of ``logging``, by name or by number; a line below the runner's
        ``task_log_level`` is not kept. ``fields`` are kept beside the message: JSON values as they
        are, others as text.
        """
        self._attempt.task_log.log(message, *checked_level(level), fields)

    def progress(self, done: float, total: float | None = None, text: str | None = None) -> None:
        """Tell how far the body has come: ``done`` of ``total``, which may be open, and a text of
        which 255 characters are kept. Shown by ``run.tasks()`` and ``run.explain()``; the last call
        counts. Returns at once.
        """
        if text is not None and not isinstance(text, str):
            raise wrong_type("text", "a str or None", text)
        whole = None if total is None else number("total", total)
        self._attempt.task_log.tell(number("done", done), whole, text)

    def _items_of(self, task: str) -> Any:
        return self._steps.results(task)

    def is_slot_held(self) -> bool:
        """False while the body waits for another run, and after the engine gave it up."""
        return self._attempt.holds_slot and not self._attempt.abandoned

    def __repr__(self) -> str:
        return f"{type(self).__name__}(run_id={self.run_id!r}, task_id={self.task_id!r})"


class TaskHandle(AttemptHandle):
    """Passed to a body whose second parameter is named ``handle`` or ``task_handle``; one that is
    ``async def`` gets an ``AsyncTaskHandle``.
    """

    __slots__ = ()

    def step(self, name: str, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``fn`` and keep what it returns, once: a body that runs again, after a crash or in
        another attempt or round, gets the kept value, as long as the task's input is the same.

        The value is durable when this returns, and is returned as it was stored: JSON values, or a
        dataclass or model by the annotation of ``fn``. An error is not kept. The n-th call with
        a ``name`` in an attempt finds the n-th value of that name. ``fn`` must not call ``step``.
        """
        return cast("T", self._steps.step(name, fn, args, kwargs))

    @overload
    def with_options(self, *, retry: RetryPolicy | None = ..., returns: None = ...) -> Steps: ...
    @overload
    def with_options(
        self, *, retry: RetryPolicy | None = ..., returns: type[R]
    ) -> TypedSteps[R]: ...
    def with_options(self, *, retry: RetryPolicy | None = None, returns: Any = None) -> Any:
        """Steps with options. ``retry``: the function is called again within the body, which keeps
        its slot meanwhile. ``returns`` is the type of the value, in place of the annotation.
        """
        return self._steps.with_options(retry, returns, is_async=False)

    def sleep(self, seconds: Duration) -> None:
        """Wait for so many seconds, or a timedelta, from the first time that the body comes here.

        This and the other waits give the body's slot back meanwhile. A body that waits for longer
        than ``evict_after_seconds`` leaves memory, by ``BodySuspended``: when the wait is over it
        runs again from its top, in the same attempt, and the steps and waits that it has behind it
        return at once what they returned before. So code between them must bear being run again.
        """
        from cloaca_core.definition.handles.wait_calls import sleep_call

        self._steps.wait(sleep_call(seconds))

    def sleep_until(self, instant: datetime | str) -> None:
        """Wait up to an instant: a datetime with a time zone, or a text as in RFC 3339."""
        from cloaca_core.definition.handles.wait_calls import sleep_until_call

        self._steps.wait(sleep_until_call(instant))

    def wait_for(
        self, event: str, *, timeout: Duration | None = None, default: Any = MISSING
    ) -> Any:
        """Wait for an event that is sent to this run with ``send``, and return its payload. Events
        that came before are kept; each is taken once, in the order in which they were sent.

        After ``timeout`` seconds, or a timedelta, it returns ``default``, or raises
        ``EventTimeoutError`` if there is none.
        """
        from cloaca_core.definition.handles.wait_calls import event_call

        return self._steps.wait(event_call(event, timeout, default))

    def results(self, task: str) -> Iterator[ItemResult]:
        """The items of a map of this run, in their order, each with its result or its error; they
        are read by pages. The map is one that this task depends on, directly or not.
        """
        return iter(self._items_of(task))

    def approval(
        self,
        name: str,
        prompt: str,
        *,
        choices: Sequence[str] = ("approve", "reject"),
        schema: type | None = None,
        timeout: Duration | None = None,
        default: str | Missing = MISSING,
    ) -> dict[str, Any]:
        """Wait until a person decides, and return the decision: ``choice``, ``by``, ``at``,
        ``note`` and ``data``, as ``cloaca.approval`` puts it into the context. It is among
        ``waiting_for_people()``, and ``run.approve(name, …)`` decides it.

        The options are those of ``cloaca.approval``. With "reject" nothing is skipped: the body
        gets the choice, and decides what follows. After the timeout it gets ``default``, decided by
        nobody, or ``EventTimeoutError`` if there is none. While one is open, its name is that of no
        other task of the run, and of no approval of another task's body: ``DefinitionError``.
        """
        from cloaca_core.definition.handles.wait_calls import approval_call

        asked = approval_call(name, prompt, choices, schema, timeout, default)
        return cast("dict[str, Any]", self._steps.wait(asked))

    def defer_until(self, condition: Callable[[], object], poll_interval_ms: float = 1000) -> None:
        """Wait until ``condition()`` is true, which is called every so many milliseconds. The slot
        is free in between; the body keeps its thread, on which that is called, and does not leave.
        """
        from cloaca_core.definition.handles.wait_calls import poll_seconds

        self._steps.defer(condition, poll_seconds(condition, poll_interval_ms))

    def submit(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        idempotency_key: str | None = None,
        failed_policy: FailedPolicyName = "keep",
        tags: Mapping[str, str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        priority: int | None = None,
        run_at: datetime | str | None = None,
        delay: Duration | None = None,
        start_by: datetime | str | Duration | None = None,
        detached: bool = False,
        queue: str | None = None,
        send: tuple[str, object] | None = None,
        by: str | None = None,
        singleton: str | None = None,
        singleton_policy: SingletonPolicyName = "existing",
    ) -> RunHandle:
        """Submit a run and go on, as ``runner.submit`` does in a body, also where there is no
        runner at hand, as under ``cloaca worker``.

        The run is a child of this one: it is cancelled, paused and begun again with it, unless it
        is ``detached``. A body that runs again finds the child that it has submitted by the same
        call, counted from its top; a further attempt starts anew one that failed. All options are
        those of ``Client.submit``.
        """
        from cloaca_core.definition.submission import StartOptions, Submission

        start = StartOptions(priority, run_at, delay, start_by, detached, queue)
        asked = Submission(
            workflow_name,
            context,
            idempotency_key,
            failed_policy,
            tags,
            time_limit,
            start,
            send,
            by,
            singleton,
            singleton_policy,
        )
        handle: RunHandle = self._steps.submit(asked)
        return handle

    def submit_many(
        self,
        workflow_name: str,
        contexts: Iterable[ContextLike],
        *,
        tags: Mapping[str, str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        priority: int | None = None,
        run_at: datetime | str | None = None,
        delay: Duration | None = None,
        start_by: datetime | str | Duration | None = None,
        detached: bool = False,
        queue: str | None = None,
    ) -> list[RunHandle]:
        """Submit a run for each context and go on. Each is a call of this body, as of ``submit``:
        one that runs again finds them, in the order of their contexts.
        """
        from cloaca_core.definition.submission import StartOptions, Submissions

        start = StartOptions(priority, run_at, delay, start_by, detached, queue)
        asked = Submissions(workflow_name, contexts, tags, time_limit, start)
        handles: list[RunHandle] = self._steps.submit_many(asked)
        return handles

    def run_workflow(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        priority: int | None = None,
        queue: str | None = None,
    ) -> Context:
        """Run a workflow as a child of this run, wait for its end, and return its final context. A
        failed child raises ``RunFailedError``, a cancelled child ``RunCancelledError``.

        Waits as ``wait_for`` does: the body gives its slot back, leaves memory if that takes longer
        than ``evict_after_seconds``, and runs again from its top when the child has ended. Then it
        finds the child by the number of this call and the child's input; where the order of calls
        may change, give each a ``key``; with another input than before that raises
        ``VersionChangedError``. A further attempt starts anew a child that failed. The child is
        cancelled with this run, also if that fails. Options are those of ``Client.submit``.
        """
        from cloaca_core.definition.handles.child_calls import child_call
        from cloaca_core.values.child_kinds import RUN_WORKFLOW

        options = (key, tags, time_limit, priority, queue)
        child = self._steps.start_workflow(
            child_call(RUN_WORKFLOW, workflow_name, context, *options)
        )
        return self._steps.child_result(child, None)

    def start_workflow(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        priority: int | None = None,
        queue: str | None = None,
    ) -> ChildHandle:
        """Start a workflow as ``run_workflow`` does and go on: ``result()`` of the answer waits for
        its end. So several children run at once.
        """
        from cloaca_core.definition.handles.child_calls import child_call
        from cloaca_core.definition.handles.child_handle import ChildHandle
        from cloaca_core.values.child_kinds import START_WORKFLOW

        options = (key, tags, time_limit, priority, queue)
        child = self._steps.start_workflow(
            child_call(START_WORKFLOW, workflow_name, context, *options)
        )
        return ChildHandle(child, self._steps)
