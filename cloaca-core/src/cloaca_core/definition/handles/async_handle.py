# Generated from templates/core/src/{{ package }}/definition/handles/async_handle.py.j2; edit that.
"""``AsyncTaskHandle``: the handle of a body that is ``async def``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast, overload

from cloaca_core.definition.handles.task_handle import AttemptHandle
from cloaca_core.values.missing import MISSING, Missing

if TYPE_CHECKING:  # a program that only defines workflows does not load them
    from datetime import datetime

    from cloaca_core.client.async_handles import AsyncRunHandle
    from cloaca_core.definition.context import Context, ContextLike
    from cloaca_core.definition.handles.child_handle import AsyncChildHandle
    from cloaca_core.definition.handles.steps import AsyncSteps, AsyncTypedSteps
    from cloaca_core.definition.retries.policy import RetryPolicy
    from cloaca_core.values.map_items import ItemResult
    from cloaca_core.values.option_names import FailedPolicyName, SingletonPolicyName
    from cloaca_core.values.times.durations import Duration
    from cloaca_core.values.times.no_limit import NoLimit

P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class AsyncTaskHandle(AttemptHandle):
    """Passed to a body that is ``async def``, as ``TaskHandle`` to others."""

    __slots__ = ()

    async def step(
        self, name: str, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As ``TaskHandle.step``, for a coroutine function."""
        return cast("T", await self._steps.step_async(name, fn, args, kwargs))

    @overload
    def with_options(
        self, *, retry: RetryPolicy | None = ..., returns: None = ...
    ) -> AsyncSteps: ...
    @overload
    def with_options(
        self, *, retry: RetryPolicy | None = ..., returns: type[R]
    ) -> AsyncTypedSteps[R]: ...
    def with_options(self, *, retry: RetryPolicy | None = None, returns: Any = None) -> Any:
        """As ``TaskHandle.with_options``."""
        return self._steps.with_options(retry, returns, is_async=True)

    async def sleep(self, seconds: Duration) -> None:
        """Wait for so many seconds, or a timedelta, from the first time that the body comes
        here. A body leaves only if its own task waits, not one that it has made, as
        ``asyncio.gather`` does. See ``TaskHandle.sleep``.
        """
        from cloaca_core.definition.handles.wait_calls import sleep_call

        await self._steps.wait_async(sleep_call(seconds))

    async def sleep_until(self, instant: datetime | str) -> None:
        """Wait up to an instant: a datetime with a time zone, or a text as in RFC 3339."""
        from cloaca_core.definition.handles.wait_calls import sleep_until_call

        await self._steps.wait_async(sleep_until_call(instant))

    async def wait_for(
        self, event: str, *, timeout: Duration | None = None, default: Any = MISSING
    ) -> Any:
        """Wait for an event that is sent to this run with ``send``, and return its payload. See
        ``TaskHandle.wait_for``.
        """
        from cloaca_core.definition.handles.wait_calls import event_call

        return await self._steps.wait_async(event_call(event, timeout, default))

    def results(self, task: str) -> AsyncIterator[ItemResult]:
        """The items of a map of this run, in their order, each with its result or its error;
        they are read by pages. The map is one that this task depends on, directly or not.
        """
        return aiter(self._items_of(task))

    async def approval(
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
        ``note`` and ``data``, as ``cloaca.approval`` puts it into the context. See
        ``TaskHandle.approval``.
        """
        from cloaca_core.definition.handles.wait_calls import approval_call

        asked = approval_call(name, prompt, choices, schema, timeout, default)
        return cast("dict[str, Any]", await self._steps.wait_async(asked))

    async def defer_until(
        self, condition: Callable[[], object], poll_interval_ms: float = 1000
    ) -> None:
        """Wait until ``condition()`` is true, which is called every so many milliseconds. It is
        called on the loop, and may be a coroutine function. See ``TaskHandle.defer_until``.
        """
        from cloaca_core.definition.handles.wait_calls import poll_seconds

        await self._steps.defer_async(condition, poll_seconds(condition, poll_interval_ms))

    async def submit(
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
    ) -> AsyncRunHandle:
        """Submit a run and go on, as ``runner.submit`` does in a body, also where there is no
        runner at hand, as under ``cloaca worker``. See ``TaskHandle.submit``.
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
        handle: AsyncRunHandle = await self._steps.submit_async(asked)
        return handle

    async def submit_many(
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
    ) -> list[AsyncRunHandle]:
        """Submit a run for each context and go on. Each is a call of this body, as of
        ``submit``: one that runs again finds them, in the order of their contexts.
        """
        from cloaca_core.definition.submission import StartOptions, Submissions

        start = StartOptions(priority, run_at, delay, start_by, detached, queue)
        asked = Submissions(workflow_name, contexts, tags, time_limit, start)
        handles: list[AsyncRunHandle] = await self._steps.submit_many_async(asked)
        return handles

    async def run_workflow(
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
        """Run a workflow as a child of this run, wait for its end, and return its final context.
        See ``TaskHandle.run_workflow``.
        """
        from cloaca_core.definition.handles.child_calls import child_call
        from cloaca_core.values.child_kinds import RUN_WORKFLOW

        options = (key, tags, time_limit, priority, queue)
        child = await self._steps.start_workflow_async(
            child_call(RUN_WORKFLOW, workflow_name, context, *options)
        )
        return await self._steps.child_result_async(child, None)

    async def start_workflow(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        key: str | None = None,
        tags: Mapping[str, str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        priority: int | None = None,
        queue: str | None = None,
    ) -> AsyncChildHandle:
        """Start a workflow as ``run_workflow`` does and go on: ``result()`` of the answer waits
        for its end. So several children run at once.
        """
        from cloaca_core.definition.handles.child_calls import child_call
        from cloaca_core.definition.handles.child_handle import AsyncChildHandle
        from cloaca_core.values.child_kinds import START_WORKFLOW

        options = (key, tags, time_limit, priority, queue)
        child = await self._steps.start_workflow_async(
            child_call(START_WORKFLOW, workflow_name, context, *options)
        )
        return AsyncChildHandle(child, self._steps)
