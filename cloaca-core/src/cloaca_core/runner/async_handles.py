# Generated from templates/core/src/{{ package }}/runner/async_handles.py.j2; edit that instead.
"""``AsyncRunHandle``: waits for a run, reads its state and steers it, by awaiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cloaca_core.definition.inputs import ContextLike
from cloaca_core.runner.base_handle import BaseHandle
from cloaca_core.runner.results import (
    PipelineResult,
    Plan,
    RunInfo,
    RunSnapshot,
    Steered,
    TaskResult,
)
from cloaca_core.runner.waiting import heed_cancel
from cloaca_core.values.durations import Duration
from cloaca_core.values.no_limit import NoLimit
from cloaca_core.values.option_names import RunStatus

if TYPE_CHECKING:
    from cloaca_core.runner.explain.explanation import Explanation
    from cloaca_core.runner.history import AttemptInfo, RoundInfo, RunEvent
    from cloaca_core.runner.task_logs import LogLine


class AsyncRunHandle(BaseHandle):
    """The same for an ``AsyncRunner``: every call is awaited."""

    __slots__ = ()

    async def status(self) -> RunStatus:
        """Pending, Running, Waiting, Paused, Cancelling, Completed, Failed or Cancelled."""
        return await self._calls.status(self._id)

    async def result(self, timeout: float | None = None) -> PipelineResult:
        """Wait for the end and return the result, also of a run that failed.

        ``timeout`` in seconds ends only the wait, with ``PipelineTimeoutError``.
        """
        return await self._calls.result(self._id, timeout)

    async def wait(self, timeout: float | None = None) -> None:
        """Wait for the end; after ``timeout`` seconds ``PipelineTimeoutError``."""
        await self._calls.end(self._id, timeout)

    async def tasks(self) -> dict[str, TaskResult]:
        """The state of each task, by id, in definition order where the workflow is known."""
        return await self._calls.tasks(self._id)

    async def info(self) -> RunInfo:
        """The run as it is now, without its contexts."""
        return await self._calls.info(self._id)

    async def events(self) -> list[RunEvent]:
        """The events so far, in the order of time: also of earlier rounds, and what was asked of
        the run by whom.
        """
        return await self._calls.history.events(self._id)

    async def attempts(self) -> list[AttemptInfo]:
        """All attempts of all tasks so far, by task; those of earlier rounds as well."""
        return await self._calls.history.attempts(self._id)

    async def rounds(self) -> list[RoundInfo]:
        """The rounds of the run, oldest first; the last one is the present one."""
        return await self._calls.history.rounds(self._id)

    async def children(self, *, limit: int = 100) -> list[RunInfo]:
        """The runs that bodies of this one have submitted or executed, newest first; more of
        them by ``list_runs(parent_id=…)``.
        """
        return await self._calls.children(self._id, limit)

    async def logs(
        self,
        task: str | None = None,
        attempt: int | None = None,
        after: LogLine | int | None = None,
        *,
        limit: int = 10_000,
    ) -> list[LogLine]:
        """The lines that bodies have logged, by ``logging`` and ``handle.log``, in the order in
        which they were written; of one task or attempt, if given, and after a line that was read
        before (or its ``position``). See ``RunHandle.logs``.
        """
        return await self._calls.task_logs.logs(self._id, task, attempt, after, limit)

    def follow_logs(
        self,
        task: str | None = None,
        attempt: int | None = None,
        after: LogLine | int | None = None,
    ) -> AsyncIterator[LogLine]:
        """The lines as they come, from the first one or ``after`` another, up to the end of the
        run. Blocks while there is none; those of other processes come within 200 ms. For ``async
        for``.
        """
        return aiter(self._calls.task_logs.follow(self._id, task, attempt, after))

    async def outputs(self) -> dict[str, dict[str, Any]]:
        """The keys that each completed task has set in the context, with their values, by task;
        also of a run that failed, was cancelled or goes on.
        """
        return await self._calls.history.outputs(self._id)

    async def explain(self) -> Explanation:
        """Why the run and each of its tasks waits, was skipped or failed; who may execute it,
        and why no runner does. Only looks; ``print`` shows all of it.
        """
        return await self._calls.explaining.explain(self._id)

    def watch(self) -> AsyncIterator[RunSnapshot]:
        """The run and its tasks now, and again each time that something of them has changed,
        here or in another process; the last snapshot is that of its end. For ``async for``. See
        ``RunHandle.watch``.
        """
        return self._calls.watch(self._id)

    async def cancel(
        self,
        *,
        reason: str | None = None,
        grace: float | timedelta | None = None,
        children: bool = True,
        by: str | None = None,
    ) -> Steered:
        """End the run as Cancelled; returns at once. See ``RunHandle.cancel``."""
        return await self._calls.steering.cancel(self._id, reason, grace, children, by)

    async def pause(
        self,
        *,
        reason: str | None = None,
        until: datetime | str | None = None,
        children: bool = True,
        by: str | None = None,
    ) -> Steered:
        """Start no more tasks of the run until it is resumed; returns at once. See
        ``RunHandle.pause``.
        """
        return await self._calls.steering.pause(self._id, reason, until, children, by)

    async def resume(
        self,
        *,
        context: ContextLike = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> Steered:
        """Let a paused run go on, and the runs that were paused with it. See
        ``RunHandle.resume``.
        """
        return await self._calls.steering.resume(self._id, context, reason, by)

    async def send(
        self,
        event: str,
        payload: object = None,
        *,
        key: str | None = None,
        connection: object | None = None,
        by: str | None = None,
    ) -> Steered:
        """Send an event to the run, which it reads where it waits for that; returns at once. A
        ``connection`` may be one that is awaited, as in ``AsyncClient.submit``. See
        ``RunHandle.send``.
        """
        messages = self._calls.messages
        if connection is None:
            return await messages.send(self._id, event, payload, key, by)
        heed_cancel()
        outbox, message = messages.outgoing(self._id, event, payload, key, by)
        return messages.written(message, await outbox.send_awaited(connection, message))

    async def approve(
        self,
        task_id: str,
        choice: str = "approve",
        *,
        data: object = None,
        note: str | None = None,
        by: str | None = None,
    ) -> Steered:
        """Decide an approval of the run that is open; returns at once. See
        ``RunHandle.approve``.
        """
        messages = self._calls.messages
        return await messages.approve(self._id, task_id, choice, data, note, by)

    async def retry(
        self,
        *,
        tasks: Iterable[str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        children: bool = True,
        reason: str | None = None,
        by: str | None = None,
    ) -> AsyncRunHandle:
        """Begin the run again if it has Failed or was Cancelled; see ``Client.retry``."""
        calls = self._calls
        call = calls.steering.retry(self._id, tasks, time_limit, children, reason, by)
        return AsyncRunHandle(calls, await call)

    async def plan_retry(self, *, tasks: Iterable[str] | None = None) -> Plan:
        """Plan a retry: what it would keep, run again and drop. Writes nothing."""
        return await self._calls.steering.plan_retry(self._id, tasks)

    async def fork(
        self,
        from_task: str,
        *,
        context: ContextLike = None,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> AsyncRunHandle:
        """Make a run of this one, which may be in any state, with a new id. See
        ``RunHandle.fork``.
        """
        calls = self._calls
        call = calls.steering.fork(self._id, from_task, context, idempotency_key, tags, reason, by)
        return AsyncRunHandle(calls, *await call)

    async def plan_fork(self, from_task: str) -> Plan:
        """Plan a fork: what it would keep and run. Writes nothing."""
        return await self._calls.steering.plan_fork(self._id, from_task)
