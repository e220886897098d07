# Generated from templates/core/src/{{ package }}/client/async_handles.py.j2; edit that.
"""``AsyncRunHandle``: waits for a run, reads its state and steers it, by awaiting."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from cloaca_core.assembly.caller import Operation
from cloaca_core.client.base_handle import BaseHandle
from cloaca_core.definition.context import ContextLike
from cloaca_core.engine.calls.arguments import Selection
from cloaca_core.engine.calls.waiting import raise_if_cancelled
from cloaca_core.features.reruns.results import Plan
from cloaca_core.features.steering.results import Steered
from cloaca_core.operations.runs import End, Info, ListRuns, Result, Status, Tasks, watch
from cloaca_core.values.option_names import RunStatus, TaskStatus
from cloaca_core.values.times.durations import Duration
from cloaca_core.values.times.no_limit import NoLimit
from cloaca_core.views.results import PipelineResult, RunInfo, RunSnapshot
from cloaca_core.views.task_results import TaskResult

if TYPE_CHECKING:
    from cloaca_core.features.task_logs.views import LogLine
    from cloaca_core.values.map_items import ItemResult
    from cloaca_core.views.explain.explanation import Explanation
    from cloaca_core.views.history import AttemptInfo, RoundInfo, RunEvent
    from cloaca_core.views.run_tree import RunBranch


T = TypeVar("T")


class AsyncRunHandle(BaseHandle):
    """The same for an ``AsyncRunner``: every call is awaited."""

    __slots__ = ()

    async def _do(self, operation: Operation[T]) -> T:
        """Wait for the result of an operation."""
        return await operation.call(self._caller)

    async def status(self) -> RunStatus:
        """Pending, Running, Waiting, Paused, Cancelling, Completed, Failed or Cancelled."""
        return await self._do(Status(self._id))

    async def result(self, timeout: float | None = None) -> PipelineResult:
        """Wait for the end and return the result, also of a run that failed.

        ``timeout`` in seconds ends only the wait, with ``PipelineTimeoutError``.
        """
        return await self._do(Result(self._id, timeout))

    async def wait(self, timeout: float | None = None) -> None:
        """Wait for the end; after ``timeout`` seconds ``PipelineTimeoutError``."""
        await self._do(End(self._id, timeout))

    async def tasks(
        self, *, items: bool = False, after: str | None = None, limit: int = 1000
    ) -> dict[str, TaskResult]:
        """The state of each task, by id, in definition order where the workflow is known. See
        ``RunHandle.tasks``.
        """
        if items or after is not None:
            from cloaca_core.operations.task_pages import TaskPage

            return await self._do(TaskPage(self._id, items, after, limit))
        return await self._do(Tasks(self._id))

    async def info(self) -> RunInfo:
        """The run as it is now, without its contexts."""
        return await self._do(Info(self._id))

    async def events(
        self, *, items: bool = False, after: RunEvent | None = None, limit: int = 1000
    ) -> list[RunEvent]:
        """The events so far, in the order of time: also of earlier rounds, and what was asked of
        the run by whom. See ``RunHandle.events``.
        """
        if items or after is not None:
            from cloaca_core.operations.event_pages import EventPage

            return await self._do(EventPage(self._id, items, after, limit))
        from cloaca_core.operations.history import Events

        return await self._do(Events(self._id))

    async def attempts(self) -> list[AttemptInfo]:
        """All attempts of all tasks so far, by task, earlier rounds included."""
        from cloaca_core.operations.history import Attempts

        return await self._do(Attempts(self._id))

    async def rounds(self) -> list[RoundInfo]:
        """The rounds of the run, oldest first; the last one is the present one."""
        from cloaca_core.operations.history import Rounds

        return await self._do(Rounds(self._id))

    async def children(self, *, limit: int = 100) -> list[RunInfo]:
        """The runs that bodies of this one have submitted or executed, newest first; more of
        them by ``list_runs(parent_id=…)``.
        """
        return await self._do(ListRuns(Selection(parent_id=self._id), limit))

    async def tree(self, *, limit: int = 1_000) -> RunBranch:
        """The run with the runs that its bodies and nodes have begun, the runs below these and
        so on, each with the task that began it; detached runs are left out. See
        ``RunHandle.tree``.
        """
        from cloaca_core.operations.tree import Tree

        return await self._do(Tree(self._id, limit))

    async def items(
        self,
        task: str,
        *,
        status: TaskStatus | None = None,
        after: int | None = None,
        limit: int = 1000,
    ) -> list[ItemResult]:
        """The items of a map, in their order: those with this status, if one is given, and after
        the index ``after``; the ``limit`` first of them. See ``RunHandle.items``.
        """
        from cloaca_core.features.maps.operations import Items

        return await self._do(Items(self._id, task, status, after, limit))

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
        from cloaca_core.features.task_logs.operations import Logs

        return await self._do(Logs(self._id, task, attempt, after, limit))

    def follow_logs(
        self,
        task: str | None = None,
        attempt: int | None = None,
        after: LogLine | int | None = None,
    ) -> AsyncIterator[LogLine]:
        """The lines as they come, from the first one or ``after`` another, up to the end of the
        run. Blocks while there is none; lines of other processes come within 200 ms. For ``async
        for``.
        """
        from cloaca_core.features.task_logs.operations import followed

        return aiter(followed(self._caller.host, self._id, task, attempt, after))

    async def outputs(self) -> dict[str, dict[str, Any]]:
        """The keys that each completed task has set in the context, with their values, by task;
        also of a run that failed, was cancelled or is still under way.
        """
        from cloaca_core.operations.history import Outputs

        return await self._do(Outputs(self._id))

    async def explain(self) -> Explanation:
        """Why the run and each of its tasks waits, was skipped or failed; which runners may
        execute it, and why none does. Only looks; ``print`` shows all of it.
        """
        from cloaca_core.operations.explain import Explain

        return await self._do(Explain(self._id))

    def watch(self) -> AsyncIterator[RunSnapshot]:
        """The run and its tasks now, and again each time that something of them has changed,
        here or in another process; the last snapshot shows the end. For ``async for``. See
        ``RunHandle.watch``.
        """
        return watch(self._caller.host, self._id)

    async def cancel(
        self,
        *,
        reason: str | None = None,
        grace: float | timedelta | None = None,
        children: bool = True,
        by: str | None = None,
    ) -> Steered:
        """End the run as Cancelled; returns at once. See ``RunHandle.cancel``."""
        from cloaca_core.features.steering.operations import Cancel

        return await self._do(Cancel(self._id, reason, grace, children, by))

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
        from cloaca_core.features.steering.operations import Pause

        return await self._do(Pause(self._id, reason, until, children, by))

    async def resume(
        self,
        *,
        context: ContextLike = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> Steered:
        """Resume a paused run, and the runs that were paused with it. See ``RunHandle.resume``."""
        from cloaca_core.features.steering.operations import Resume

        return await self._do(Resume(self._id, context, reason, by))

    async def send(
        self,
        event: str,
        payload: object = None,
        *,
        key: str | None = None,
        item: tuple[str, int | str] | str | None = None,
        connection: object | None = None,
        by: str | None = None,
    ) -> Steered:
        """Send an event to the run, which it reads where it waits for that; returns at once. A
        ``connection`` may be one that is awaited, as in ``AsyncClient.submit``. See
        ``RunHandle.send``.
        """
        from cloaca_core.features.waits.operations import Send, written

        operation = Send(self._id, event, payload, key, by, item)
        if connection is None:
            return await self._do(operation)
        raise_if_cancelled()
        outbox, message = operation.outgoing(self._caller)
        return written(message, await outbox.send_awaited(connection, message))

    async def approve(
        self,
        task_id: str,
        choice: str = "approve",
        *,
        item: tuple[str, int | str] | str | None = None,
        data: object = None,
        note: str | None = None,
        by: str | None = None,
    ) -> Steered:
        """Decide an approval of the run that is open; returns at once. See
        ``RunHandle.approve``.
        """
        from cloaca_core.features.waits.operations import Approve

        return await self._do(Approve(self._id, task_id, choice, data, note, by, item))

    async def retry(
        self,
        *,
        tasks: Iterable[str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        children: bool = True,
        items: Mapping[str, Iterable[int | str]] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> AsyncRunHandle:
        """Begin the run again if it has Failed or was Cancelled; see ``Client.retry``."""
        from cloaca_core.features.reruns.operations import Retry

        operation = Retry(self._id, tasks, time_limit, children, reason, by, items)
        return AsyncRunHandle(self._caller, await self._do(operation))

    async def plan_retry(self, *, tasks: Iterable[str] | None = None) -> Plan:
        """Plan a retry: what it would keep, run again and drop. Writes nothing."""
        from cloaca_core.features.reruns.operations import PlanRetry

        return await self._do(PlanRetry(self._id, tasks))

    async def fork(
        self,
        from_task: str,
        *,
        items: Iterable[int | str] | None = None,
        context: ContextLike = None,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> AsyncRunHandle:
        """Make a run of this one, which may be in any state, with a new id. See
        ``RunHandle.fork``.
        """
        from cloaca_core.features.reruns.operations import Fork

        operation = Fork(self._id, from_task, context, idempotency_key, tags, reason, by, items)
        return AsyncRunHandle(self._caller, *await self._do(operation))

    async def plan_fork(self, from_task: str) -> Plan:
        """Plan a fork: what it would keep and run. Writes nothing."""
        from cloaca_core.features.reruns.operations import PlanFork

        return await self._do(PlanFork(self._id, from_task))
