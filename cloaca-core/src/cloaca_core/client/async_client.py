# Generated from templates/core/src/{{ package }}/client/async_client.py.j2; edit that.
"""``AsyncClient``: the engine for programs that wait by awaiting, without the bodies.

Its methods are those of ``Client``; only opening and shutdown are different. ``AsyncRunner``
inherits all of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from cloaca_core.assembly.caller import Caller, Operation
from cloaca_core.assembly.host import EngineHost
from cloaca_core.assembly.redact import Secrets
from cloaca_core.client.async_handles import AsyncRunHandle
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.context import ContextLike
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.submission import StartOptions
from cloaca_core.engine.calls.arguments import Selection
from cloaca_core.engine.calls.waiting import awaited, raise_if_cancelled
from cloaca_core.engine.runtime.loop_care import wake_timer
from cloaca_core.errors import RunnerClosedError
from cloaca_core.features.reruns.results import Plan
from cloaca_core.features.schedules.results import Backfill
from cloaca_core.features.steering.results import BulkResult, Steered
from cloaca_core.features.upkeep.results import PruneResult
from cloaca_core.operations.runs import CountRuns, GetRun, ListRuns
from cloaca_core.operations.submissions import Execute, Submit, SubmitMany, telling_accepted
from cloaca_core.values.option_names import (
    CatchupPolicyName,
    FailedPolicyName,
    OverlapPolicyName,
    RunStatus,
    SingletonPolicyName,
)
from cloaca_core.values.times.durations import Duration
from cloaca_core.values.times.no_limit import NoLimit
from cloaca_core.views.results import PipelineResult, RunInfo

if TYPE_CHECKING:
    from cloaca_core.features.limits.looks.views import LimitDetails, LimitInfo
    from cloaca_core.features.waits.approvals import OpenApproval
    from cloaca_core.values.limits.rates import RateLike
    from cloaca_core.views.explain.explanation import Explanation
    from cloaca_core.views.history import Action


T = TypeVar("T")


class AsyncClient:
    """The same client for programs with a loop: ``async with``, and every call is awaited.

    Arguments and errors are those of ``Client``; ``async with`` opens the database.

    The engine runs on a loop thread of its own here too, so a program that blocks its loop stops
    no heartbeat.
    """

    _host: EngineHost
    _caller: Caller

    def __init__(
        self,
        database_url: str | os.PathLike[str],
        *,
        config: DefaultRunnerConfig | None = None,
        schema: str | None = None,
        registry: Registry | None = None,
        redact: Secrets | None = None,
    ) -> None:
        self._use(EngineHost(database_url, config, schema, registry, works=False, redact=redact))

    async def _do(self, operation: Operation[T]) -> T:
        """Wait for the result of an operation."""
        return await operation.call(self._caller)

    # -- run ---------------------------------------------------------------------------------

    async def execute(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        timeout: float | None = None,
        time_limit: Duration | NoLimit | None = None,
        priority: int | None = None,
        run_at: datetime | str | None = None,
        delay: Duration | None = None,
        start_by: datetime | str | Duration | None = None,
        detached: bool = False,
        queue: str | None = None,
    ) -> PipelineResult:
        """Run a workflow and wait for its end; returns the result, also of a run that failed.
        See ``Client.execute``.
        """
        start = StartOptions(priority, run_at, delay, start_by, detached, queue)
        return await self._do(Execute(workflow_name, context, timeout, time_limit, start))

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
        connection: object | None = None,
        send: tuple[str, object] | None = None,
        by: str | None = None,
        singleton: str | None = None,
        singleton_policy: SingletonPolicyName = "existing",
    ) -> AsyncRunHandle:
        """Accept a run and return; it is durable when this returns. A ``connection`` may also be
        an ``aiosqlite.Connection`` or a ``psycopg.AsyncConnection``, which is awaited; a
        blocking one blocks your loop for the moment of the write. See ``Client.submit``.
        """
        start = StartOptions(priority, run_at, delay, start_by, detached, queue)
        operation = Submit(
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
        if connection is None:
            return AsyncRunHandle(self._caller, *await self._do(operation))
        outbox, run, message = await operation.outgoing(self._caller)
        run_id = await outbox.submit_awaited(connection, run, message)
        return AsyncRunHandle(self._caller, run_id, run_id == run.id)

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
        """Accept many runs of one workflow, up to 10,000 in one commit. See
        ``Client.submit_many``.
        """
        raise_if_cancelled()
        start = StartOptions(priority, run_at, delay, start_by, detached, queue)
        operation = SubmitMany(workflow_name, contexts, tags, time_limit, start)
        handles: list[AsyncRunHandle] = []
        with telling_accepted(handles):
            for page in operation.pages(self._caller):
                handles += [
                    AsyncRunHandle(self._caller, run_id, created=True) for run_id in await page
                ]
        return handles

    # -- steer -------------------------------------------------------------------------------

    async def cancel(
        self,
        run_id: str,
        *,
        reason: str | None = None,
        grace: float | timedelta | None = None,
        children: bool = True,
        by: str | None = None,
    ) -> Steered:
        """End a run as Cancelled; see ``RunHandle.cancel``. An unknown id raises
        ``RunNotFoundError``.
        """
        from cloaca_core.features.steering.operations import Cancel

        return await self._do(Cancel(run_id, reason, grace, children, by))

    async def pause(
        self,
        run_id: str,
        *,
        reason: str | None = None,
        until: datetime | str | None = None,
        children: bool = True,
        by: str | None = None,
    ) -> Steered:
        """Start no more tasks of a run until it is resumed; see ``RunHandle.pause``."""
        from cloaca_core.features.steering.operations import Pause

        return await self._do(Pause(run_id, reason, until, children, by))

    async def resume(
        self,
        run_id: str,
        *,
        context: ContextLike = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> Steered:
        """Resume a paused run; see ``RunHandle.resume``."""
        from cloaca_core.features.steering.operations import Resume

        return await self._do(Resume(run_id, context, reason, by))

    async def send(
        self,
        run_id: str,
        event: str,
        payload: object = None,
        *,
        key: str | None = None,
        item: tuple[str, int | str] | str | None = None,
        connection: object | None = None,
        by: str | None = None,
    ) -> Steered:
        """Send an event to a run; see ``RunHandle.send``. An unknown id raises
        ``RunNotFoundError``.
        """
        from cloaca_core.features.waits.operations import Send, written

        operation = Send(run_id, event, payload, key, by, item)
        if connection is None:
            return await self._do(operation)
        raise_if_cancelled()
        outbox, message = operation.outgoing(self._caller)
        return written(message, await outbox.send_awaited(connection, message))

    async def approve(
        self,
        run_id: str,
        task_id: str,
        choice: str = "approve",
        *,
        item: tuple[str, int | str] | str | None = None,
        data: object = None,
        note: str | None = None,
        by: str | None = None,
    ) -> Steered:
        """Decide an approval of a run; see ``RunHandle.approve``."""
        from cloaca_core.features.waits.operations import Approve

        return await self._do(Approve(run_id, task_id, choice, data, note, by, item))

    async def retry(
        self,
        run_id: str,
        *,
        tasks: Iterable[str] | None = None,
        time_limit: Duration | NoLimit | None = None,
        children: bool = True,
        items: Mapping[str, Iterable[int | str]] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> AsyncRunHandle:
        """Retry a run that has Failed or was Cancelled, under the same id: its next round. See
        ``Client.retry``.
        """
        from cloaca_core.features.reruns.operations import Retry

        operation = Retry(run_id, tasks, time_limit, children, reason, by, items)
        return AsyncRunHandle(self._caller, await self._do(operation))

    async def plan_retry(self, run_id: str, *, tasks: Iterable[str] | None = None) -> Plan:
        """Plan a retry: what it would keep, run again and drop. Writes nothing."""
        from cloaca_core.features.reruns.operations import PlanRetry

        return await self._do(PlanRetry(run_id, tasks))

    async def fork(
        self,
        run_id: str,
        from_task: str,
        *,
        items: Iterable[int | str] | None = None,
        context: ContextLike = None,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> AsyncRunHandle:
        """Make a run of another one, from a task on; see ``RunHandle.fork``."""
        from cloaca_core.features.reruns.operations import Fork

        operation = Fork(run_id, from_task, context, idempotency_key, tags, reason, by, items)
        return AsyncRunHandle(self._caller, *await self._do(operation))

    async def plan_fork(self, run_id: str, from_task: str) -> Plan:
        """Plan a fork: what it would keep and run. Writes nothing."""
        from cloaca_core.features.reruns.operations import PlanFork

        return await self._do(PlanFork(run_id, from_task))

    async def pause_workflow(
        self,
        workflow_name: str,
        *,
        until: datetime | str | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> bool:
        """Pause a workflow: no runner, in any process, starts a run of it until it is resumed.
        See ``Client.pause_workflow``.
        """
        from cloaca_core.features.steering.operations import PauseWorkflow

        return await self._do(PauseWorkflow(workflow_name, until, reason, by))

    async def resume_workflow(
        self, workflow_name: str, *, reason: str | None = None, by: str | None = None
    ) -> bool:
        """Let runs of a paused workflow start again; False if it is not paused."""
        from cloaca_core.features.steering.operations import ResumeWorkflow

        return await self._do(ResumeWorkflow(workflow_name, reason, by))

    async def cancel_many(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Cancel all runs that ``list_runs`` with these arguments would list, newest first, 500
        in a transaction, each as ``RunHandle.cancel`` does. See ``Client.cancel_many``.
        """
        from cloaca_core.operations.bulk import SteerMany

        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return await self._do(SteerMany("cancel", selection, reason, by, dry_run))

    async def pause_many(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Pause all runs of a selection until they are resumed, as ``RunHandle.pause`` does; see
        ``cancel_many``. ``until`` is when they were made, as in ``list_runs``, not an end of the
        pause.
        """
        from cloaca_core.operations.bulk import SteerMany

        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return await self._do(SteerMany("pause", selection, reason, by, dry_run))

    async def resume_many(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Resume all paused runs of a selection; see ``cancel_many``."""
        from cloaca_core.operations.bulk import SteerMany

        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return await self._do(SteerMany("resume", selection, reason, by, dry_run))

    async def retry_many(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
        reason: str | None = None,
        by: str | None = None,
        dry_run: bool = False,
    ) -> BulkResult:
        """Begin all runs of a selection again that have Failed or were Cancelled, as ``retry``
        does; see ``cancel_many``. Of runs with many tasks fewer share a transaction.
        """
        from cloaca_core.operations.bulk import SteerMany

        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return await self._do(SteerMany("retry", selection, reason, by, dry_run))

    # -- observe -----------------------------------------------------------------------------

    async def get_run(self, run_id: str) -> AsyncRunHandle:
        """The handle of a run in this database; ``RunNotFoundError`` (a KeyError) for no run."""
        return AsyncRunHandle(self._caller, await self._do(GetRun(run_id)))

    async def explain(self, run_id: str) -> Explanation:
        """Why a run and each of its tasks is as it is; see ``RunHandle.explain``."""
        from cloaca_core.operations.explain import Explain

        return await self._do(Explain(run_id))

    async def list_runs(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[RunInfo]:
        """Runs, newest first, at most ``limit`` of them. See ``Client.list_runs``."""
        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return await self._do(ListRuns(selection, limit, before))

    async def count_runs(
        self,
        *,
        status: RunStatus | Iterable[RunStatus] | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        parent_id: str | None = None,
        error: str | None = None,
    ) -> int:
        """How many runs there are that ``list_runs`` with these arguments would list."""
        selection = Selection(status, workflow_name, tags, since, until, parent_id, error)
        return await self._do(CountRuns(selection))

    async def waiting_for_people(
        self, *, workflow_name: str | None = None, limit: int = 100
    ) -> list[OpenApproval]:
        """The approvals that wait for a person's decision, the oldest first, at most ``limit``
        of them; those of one workflow, if its name is given, as in ``execute``.
        """
        from cloaca_core.features.waits.operations import WaitingForPeople

        return await self._do(WaitingForPeople(workflow_name, limit))

    async def actions(self, *, limit: int = 100) -> list[Action]:
        """All acts, by whom and why, newest first, at most ``limit`` of them. See
        ``Client.actions``.
        """
        from cloaca_core.operations.history import Actions

        return await self._do(Actions(limit))

    async def prune(
        self,
        *,
        before: datetime | str | None = None,
        workflow_name: str | None = None,
        dry_run: bool = False,
        by: str | None = None,
    ) -> PruneResult:
        """Delete runs that have ended long ago, each with all runs that it has submitted;
        returns when that is done. See ``Client.prune``.
        """
        from cloaca_core.features.upkeep.operations import Prune

        return await self._do(Prune(before, workflow_name, dry_run, by))

    async def health(self) -> dict[str, Any]:
        """The state of the runner: its runs, bodies, loops and failing triggers."""
        from cloaca_core.operations.claiming import Health

        return await self._do(Health())

    async def drain_runner(self, runner_id: str, *, by: str | None = None) -> bool:
        """Ask a runner of this database to shut down, wherever it runs. See
        ``Client.drain_runner``.
        """
        from cloaca_core.operations.claiming import DrainRunner

        return await self._do(DrainRunner(runner_id, by))

    # -- limits ------------------------------------------------------------------------------

    async def limits(self) -> list[LimitInfo]:
        """All limits that programs have recorded, by name: the settings that count, who has
        changed them, how many places are used, and how many bodies wait, and since when.
        """
        from cloaca_core.features.limits.operations import ListLimits

        return await self._do(ListLimits())

    async def limit(
        self, name: str, *, key: str | int | bool | None = None, limit: int = 100
    ) -> LimitDetails:
        """One limit closely: its keys in use, who holds its places and who waits, at most
        ``limit`` of each; those of one ``key``, if it is given. See ``Client.limit``.
        """
        from cloaca_core.features.limits.operations import ShowLimit

        return await self._do(ShowLimit(name, key, limit))

    async def set_limit(
        self,
        name: str,
        *,
        total: int | NoLimit | None = None,
        per_key: int | NoLimit | None = None,
        rate: RateLike | NoLimit | None = None,
        burst: int | None = None,
        rate_per_key: RateLike | NoLimit | None = None,
        burst_per_key: int | None = None,
        by: str | None = None,
    ) -> bool:
        """Change a limit, at once and for all programs of this database. See
        ``Client.set_limit``.
        """
        from cloaca_core.features.limits.operations import SetLimit

        return await self._do(
            SetLimit(name, total, per_key, rate, burst, rate_per_key, burst_per_key, by)
        )

    async def clear_limit(self, name: str, *, by: str | None = None) -> bool:
        """Let the settings of the code count again; False if none was changed."""
        from cloaca_core.features.limits.operations import ClearLimit

        return await self._do(ClearLimit(name, by))

    # -- schedules ---------------------------------------------------------------------------

    async def register_cron_workflow(
        self,
        workflow_name: str,
        cron_expression: str,
        timezone: str,
        *,
        by: str | None = None,
    ) -> str:
        """Run a workflow at the ticks of a cron expression, from now on; returns the schedule's
        id. See ``Client.register_cron_workflow``.
        """
        from cloaca_core.features.schedules.operations.schedules import RegisterCron

        return await self._do(RegisterCron(workflow_name, cron_expression, timezone, by))

    async def schedule(
        self,
        name: str,
        workflow_name: str,
        cron_expression: str,
        timezone: str,
        *,
        catchup_policy: CatchupPolicyName | None = None,
        overlap_policy: OverlapPolicyName | None = None,
        jitter_seconds: int | None = None,
        start_date: datetime | str | None = None,
        end_date: datetime | str | None = None,
        params: ContextLike = None,
        time_limit: Duration | NoLimit | None = None,
        queue: str | None = None,
        by: str | None = None,
    ) -> str:
        """Add the schedule of this name, or change it to these settings; returns its id. See
        ``Client.schedule``.
        """
        from cloaca_core.features.schedules.operations.schedules import PutSchedule

        operation = PutSchedule(
            name,
            workflow_name,
            cron_expression,
            timezone,
            params,
            catchup_policy=catchup_policy,
            overlap_policy=overlap_policy,
            jitter_seconds=jitter_seconds,
            start_date=start_date,
            end_date=end_date,
            time_limit=time_limit,
            by=by,
            queue=queue,
        )
        return await self._do(operation)

    async def register_workflow_instance(
        self,
        workflow_name: str,
        instance_name: str,
        cron_expression: str,
        timezone: str,
        params: ContextLike = None,
        *,
        by: str | None = None,
    ) -> str:
        """Run a workflow by cron with parameters, as a named instance; returns the schedule's
        id. See ``Client.register_workflow_instance``.
        """
        from cloaca_core.features.schedules.operations.schedules import PutInstance

        operation = PutInstance(workflow_name, instance_name, cron_expression, timezone, params, by)
        return await self._do(operation)

    async def backfill(
        self,
        schedule: str,
        start: datetime | str,
        end: datetime | str,
        *,
        limit: int | None = None,
        by: str | None = None,
    ) -> Backfill:
        """Create runs for a period's past ticks that have none. See ``Client.backfill``."""
        from cloaca_core.features.schedules.operations.backfill import RunBackfill

        return await self._do(RunBackfill(schedule, start, end, limit, by))

    async def preview_backfill(
        self,
        schedule: str,
        start: datetime | str,
        end: datetime | str,
        *,
        limit: int | None = None,
    ) -> Backfill:
        """Tell which ticks ``backfill`` with these arguments would run now; makes no runs."""
        from cloaca_core.features.schedules.operations.backfill import PreviewBackfill

        return await self._do(PreviewBackfill(schedule, start, end, limit))

    async def run_schedule(self, schedule: str, *, by: str | None = None) -> AsyncRunHandle:
        """Make a run of a schedule at once, with its context, time limit and queue. See
        ``Client.run_schedule``.
        """
        from cloaca_core.features.schedules.operations.backfill import RunSchedule

        return AsyncRunHandle(self._caller, await self._do(RunSchedule(schedule, by)), created=True)

    async def list_cron_schedules(
        self,
        enabled_only: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """Schedules by workflow: all, or those that are enabled; at most 100 by default."""
        from cloaca_core.features.schedules.operations.schedules import ListSchedules

        return await self._do(ListSchedules(enabled_only, limit, offset))

    async def get_cron_schedule(self, schedule_id: str) -> dict[str, Any]:
        """One schedule; ``ScheduleError`` (a ValueError) "Failed to get cron schedule: …"."""
        from cloaca_core.features.schedules.operations.schedules import GetSchedule

        return await self._do(GetSchedule(schedule_id))

    async def update_cron_schedule(
        self,
        schedule_id: str,
        cron_expression: str,
        timezone: str,
        *,
        by: str | None = None,
    ) -> None:
        """Let a schedule tick by another expression from now on. ``by`` is who asks, here and in
        the next calls, as in ``schedule``.
        """
        from cloaca_core.features.schedules.operations.schedules import RetimeSchedule

        await self._do(RetimeSchedule(schedule_id, cron_expression, timezone, by))

    async def set_cron_schedule_enabled(
        self, schedule_id: str, enabled: bool, *, by: str | None = None
    ) -> None:
        """Enable a schedule from now on, or disable it; an unknown id is no error."""
        from cloaca_core.features.schedules.operations.schedules import EnableSchedule

        await self._do(EnableSchedule(schedule_id, enabled, by))

    async def delete_cron_schedule(self, schedule_id: str, *, by: str | None = None) -> None:
        """Remove a schedule; its runs and history stay. An unknown id is no error."""
        from cloaca_core.features.schedules.operations.schedules import DeleteSchedule

        await self._do(DeleteSchedule(schedule_id, by))

    async def get_cron_execution_history(
        self, schedule_id: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """The ticks of a schedule that were fired, newest first; at most 100 by default."""
        from cloaca_core.features.schedules.operations.schedules import ScheduleHistory

        return await self._do(ScheduleHistory(schedule_id, limit, offset))

    async def get_cron_execution_stats(self, since: str) -> dict[str, Any]:
        """Counts of fired and lost ticks of all schedules since a time (RFC 3339 with an
        offset). See ``Client.get_cron_execution_stats``.
        """
        from cloaca_core.features.schedules.operations.schedules import ScheduleStats

        return await self._do(ScheduleStats(since))

    # -- triggers ----------------------------------------------------------------------------

    async def list_trigger_schedules(
        self,
        enabled_only: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """Triggers by name: all that any program on this database has registered, or those that
        are enabled; at most 100 by default. See ``Client.list_trigger_schedules``.
        """
        from cloaca_core.features.triggers.operations import ListTriggers

        return await self._do(ListTriggers(enabled_only, limit, offset))

    async def get_trigger_schedule(self, trigger_name: str) -> dict[str, Any] | None:
        """One trigger; None for an unknown name."""
        from cloaca_core.features.triggers.operations import GetTrigger

        return await self._do(GetTrigger(trigger_name))

    async def set_trigger_enabled(
        self, trigger_name: str, enabled: bool, *, by: str | None = None
    ) -> None:
        """Enable a trigger from now on, or disable it, for all programs that have it. See
        ``Client.set_trigger_enabled``.
        """
        from cloaca_core.features.triggers.operations import EnableTrigger

        await self._do(EnableTrigger(trigger_name, enabled, by))

    async def get_trigger_execution_history(
        self, trigger_name: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """The runs that a trigger fired, newest first, at most 100 by default; [] for an unknown
        name. ``completed_at`` is when the run ended, None while it has not.
        """
        from cloaca_core.features.triggers.operations import TriggerHistory

        return await self._do(TriggerHistory(trigger_name, limit, offset))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._host})"

    # -- start and stop ----------------------------------------------------------------------

    async def shutdown(self) -> None:
        """Let running bodies end, release the other runs for recovery, close. Idempotent.

        Cancelling the call ends the grace period. If a cancellation, such as by Ctrl-C, leads to
        the shutdown or comes during it, the log names the bodies that it waits for, or the terminal
        if there is no log. After the runner has broken down, the first call raises the
        ``RunnerClosedError`` with the reason.
        """
        interrupted = isinstance(sys.exception(), KeyboardInterrupt | asyncio.CancelledError)
        closing = asyncio.wrap_future(self._host.close())
        if interrupted:
            self._host.tell_of_wait()
        try:
            with suppress(RunnerClosedError), wake_timer():
                await asyncio.shield(closing)  # ``end_thread`` raises it, once
        except asyncio.CancelledError:
            self._host.hurry()
            raise
        self._host.end_thread()

    def _use(self, host: EngineHost) -> None:
        self._host = host
        self._caller = Caller(host)
        if host.works:
            from cloaca_core.client.body_children import BodyChildren  # a client has no bodies

            host.front = BodyChildren(self._caller)

    async def __aenter__(self) -> Self:
        # Outside ``try``: if it is open already, it stays open.
        opening = self._host.open(may_block=False)
        try:
            self._host.load_engine()
            await awaited(opening)
            self._host.begin()
        except BaseException:
            with suppress(RunnerClosedError):  # it is the error being raised
                await self.shutdown()
            self._host.allow_another_try()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.shutdown()
        except RunnerClosedError:
            if error is None:
                raise
