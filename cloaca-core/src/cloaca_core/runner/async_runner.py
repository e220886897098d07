"""``AsyncRunner``: the engine for programs that wait by awaiting.

Each method makes the same call of the engine as that of ``DefaultRunner``, and awaits it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from cloaca_core._engine.engine import Engine
from cloaca_core._engine.runtime.loop_care import wake_timer
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.inputs import ContextLike
from cloaca_core.definition.registry import Registry
from cloaca_core.errors import CloacaError, RunnerClosedError
from cloaca_core.runner.calls.arguments import checked_run_id
from cloaca_core.runner.calls.schedule_spec import backfill_result, backfill_spec, schedule_spec
from cloaca_core.runner.error_prefixes import CRON_WORKFLOW, INSTANCE, SCHEDULE
from cloaca_core.runner.handles import AsyncRunHandle
from cloaca_core.runner.host import EngineHost
from cloaca_core.runner.results import (
    Backfill,
    PipelineResult,
    RunInfo,
    execute_result,
    run_info,
)
from cloaca_core.runner.waiting import awaited, checked_timeout, current_work
from cloaca_core.values.option_names import CatchupPolicyName, OverlapPolicyName, RunStatus


class AsyncRunner:
    """The same runner for programs with a loop: ``async with``, and every call is awaited.

    Arguments and errors are those of ``DefaultRunner``; ``async with`` opens the database.

    The engine runs on a loop thread of its own here too, so a program that blocks its loop stops
    no heartbeat.
    """

    def __init__(
        self,
        database_url: str | os.PathLike[str],
        *,
        config: DefaultRunnerConfig | None = None,
        schema: str | None = None,
        registry: Registry | None = None,
        start: bool = True,
    ) -> None:
        self._host = EngineHost(database_url, config, schema, registry, start=start)

    async def __aenter__(self) -> Self:
        opening = self._host.open()  # refused when it is open already, which goes on untouched
        try:
            self._host.load_engine()
            await awaited(opening)
            self._host.begin()
        except BaseException:
            with suppress(RunnerClosedError):  # it is what has been raised
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

    # -- run ---------------------------------------------------------------------------------

    async def execute(
        self, workflow_name: str, context: ContextLike = None, *, timeout: float | None = None
    ) -> PipelineResult:
        """Run a workflow and wait for its end; see ``DefaultRunner.execute``."""
        seconds = checked_timeout(timeout)
        request = self._host.open_requests.request(workflow_name, [context], numbered=True)
        run: list[str] = []
        future = self._host.send(Engine.execute, request, current_work(), run.append)
        return execute_result(await awaited(future, seconds, run))

    async def submit(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        connection: object | None = None,
    ) -> AsyncRunHandle:
        """Accept a run and go on; see ``DefaultRunner.submit``.

        A ``connection`` may also be an ``aiosqlite.Connection`` or a ``psycopg.AsyncConnection``,
        which is awaited; one that blocks blocks your loop for the moment of the write.
        """
        request = self._host.open_requests.request(
            workflow_name,
            [context],
            tags=tags,
            idempotency_key=idempotency_key,
            numbered=connection is None,
        )
        if connection is not None:
            outbox, run = self._host.engine.outgoing(request)
            return AsyncRunHandle(self._host, await outbox.submit_awaited(connection, run))
        (run_id,) = await awaited(self._host.send(Engine.submit, request))
        return AsyncRunHandle(self._host, run_id)

    async def submit_many(
        self,
        workflow_name: str,
        contexts: Iterable[ContextLike],
        *,
        tags: Mapping[str, str] | None = None,
    ) -> list[AsyncRunHandle]:
        """Accept many runs of one workflow, up to 10,000 in one commit."""
        handles: list[AsyncRunHandle] = []
        try:
            for request in self._host.open_requests.many(workflow_name, contexts, tags):
                run_ids = await awaited(self._host.send(Engine.submit, request))
                handles += [AsyncRunHandle(self._host, run_id) for run_id in run_ids]
        except CloacaError as error:
            error.accepted = handles
            raise
        return handles

    # -- observe -----------------------------------------------------------------------------

    async def get_run(self, run_id: str) -> AsyncRunHandle:
        """The handle of a run in this database; ``RunNotFoundError`` (a KeyError) for no run."""
        return AsyncRunHandle(
            self._host, (await awaited(self._host.send(Engine.get_run, checked_run_id(run_id)))).id
        )

    async def list_runs(
        self,
        *,
        status: RunStatus | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[RunInfo]:
        """Runs, newest first; see ``DefaultRunner.list_runs``."""
        wanted = self._host.open_requests.run_filter(status, workflow_name, tags, limit, before)
        return [run_info(row) for row in await awaited(self._host.send(Engine.list_runs, wanted))]

    async def health(self) -> dict[str, Any]:
        """What the runner is doing: its runs, bodies, loops and the triggers that fail."""
        return await awaited(self._host.send(Engine.health))

    # -- schedules ---------------------------------------------------------------------------

    async def register_cron_workflow(
        self, workflow_name: str, cron_expression: str, timezone: str
    ) -> str:
        """Run a workflow at the ticks of a cron expression; see ``DefaultRunner``."""
        wanted = schedule_spec(self._host, CRON_WORKFLOW, workflow_name, cron_expression, timezone)
        return await awaited(self._host.send(Engine.cron, lambda cron: cron.register(wanted)))

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
    ) -> str:
        """Add the schedule of this name, or change it; see ``DefaultRunner``."""
        wanted = schedule_spec(
            self._host,
            SCHEDULE,
            workflow_name,
            cron_expression,
            timezone,
            params,
            name=name,
            catchup_policy=catchup_policy,
            overlap_policy=overlap_policy,
            jitter_seconds=jitter_seconds,
            start_date=start_date,
            end_date=end_date,
        )
        return await awaited(self._host.send(Engine.cron, lambda cron: cron.put(wanted)))

    async def register_workflow_instance(
        self,
        workflow_name: str,
        instance_name: str,
        cron_expression: str,
        timezone: str,
        params: ContextLike = None,
    ) -> str:
        """Run a workflow by cron with parameters, under a name; see ``DefaultRunner``."""
        wanted = schedule_spec(
            self._host,
            INSTANCE,
            workflow_name,
            cron_expression,
            timezone,
            params,
            name=instance_name,
        )
        return await awaited(self._host.send(Engine.cron, lambda cron: cron.put_instance(wanted)))

    async def backfill(
        self,
        schedule: str,
        start: datetime | str,
        end: datetime | str,
        *,
        limit: int | None = None,
    ) -> Backfill:
        """Run the ticks of a period of the past that have no run; see ``DefaultRunner``."""
        spec = backfill_spec(schedule, start, end, limit)
        return backfill_result(
            await awaited(self._host.send(Engine.back_fill, lambda calls: calls.run(spec)))
        )

    async def preview_backfill(
        self,
        schedule: str,
        start: datetime | str,
        end: datetime | str,
        *,
        limit: int | None = None,
    ) -> Backfill:
        """What ``backfill`` with these arguments would do just now; makes nothing."""
        spec = backfill_spec(schedule, start, end, limit)
        return backfill_result(
            await awaited(self._host.send(Engine.back_fill, lambda calls: calls.preview(spec)))
        )

    async def list_cron_schedules(
        self,
        enabled_only: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """Schedules by workflow: all, or those that are enabled; at most 100 by default."""
        return await awaited(
            self._host.send(Engine.cron, lambda cron: cron.page(enabled_only, limit, offset))
        )

    async def get_cron_schedule(self, schedule_id: str) -> dict[str, Any]:
        """One schedule; ``ScheduleError`` (a ValueError) "Failed to get cron schedule: …"."""
        return await awaited(self._host.send(Engine.cron, lambda cron: cron.get(schedule_id)))

    async def update_cron_schedule(
        self, schedule_id: str, cron_expression: str, timezone: str
    ) -> None:
        """Let a schedule tick by another expression from now on."""
        await awaited(
            self._host.send(
                Engine.cron, lambda cron: cron.update(schedule_id, cron_expression, timezone)
            )
        )

    async def set_cron_schedule_enabled(self, schedule_id: str, enabled: bool) -> None:
        """Let a schedule tick, from now on, or not; an unknown id is no error."""
        await awaited(
            self._host.send(Engine.cron, lambda cron: cron.set_enabled(schedule_id, enabled))
        )

    async def delete_cron_schedule(self, schedule_id: str) -> None:
        """Remove a schedule; its runs and history stay. An unknown id is no error."""
        await awaited(self._host.send(Engine.cron, lambda cron: cron.delete(schedule_id)))

    async def get_cron_execution_history(
        self, schedule_id: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """The ticks of a schedule that were fired, newest first; at most 100 by default."""
        return await awaited(
            self._host.send(Engine.cron, lambda cron: cron.history(schedule_id, limit, offset))
        )

    async def get_cron_execution_stats(self, since: str) -> dict[str, Any]:
        """What became of the ticks of all schedules since a time; see ``DefaultRunner``."""
        return await awaited(self._host.send(Engine.cron, lambda cron: cron.stats(since)))

    # -- triggers ----------------------------------------------------------------------------

    async def list_trigger_schedules(
        self,
        enabled_only: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """Triggers by name, all or those that are enabled; see ``DefaultRunner``."""
        return await awaited(
            self._host.send(Engine.triggers, lambda them: them.page(enabled_only, limit, offset))
        )

    async def get_trigger_schedule(self, trigger_name: str) -> dict[str, Any] | None:
        """One trigger; None for an unknown name."""
        return await awaited(self._host.send(Engine.triggers, lambda them: them.get(trigger_name)))

    async def set_trigger_enabled(self, trigger_name: str, enabled: bool) -> None:
        """Let a trigger be polled, from now on, or not; see ``DefaultRunner``."""
        await awaited(
            self._host.send(Engine.triggers, lambda them: them.set_enabled(trigger_name, enabled))
        )

    async def get_trigger_execution_history(
        self, trigger_name: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """The runs that a trigger fired, newest first; see ``DefaultRunner``."""
        return await awaited(
            self._host.send(Engine.triggers, lambda them: them.history(trigger_name, limit, offset))
        )

    # -- start and stop ----------------------------------------------------------------------

    async def start(self) -> None:
        """Claim runs, after ``stop()`` or when it was opened with ``start=False``."""
        await awaited(self._host.send(Engine.resume))

    async def stop(self) -> None:
        """Claim no further runs; those of this runner go on, new ones wait in the table."""
        await awaited(self._host.send(Engine.pause))

    async def shutdown(self) -> None:
        """Let running bodies end, release the other runs for recovery, close. Idempotent.

        Cancelling the call ends the grace period. A cancellation that leads to the shutdown, as by
        Ctrl-C, or comes during it has the bodies that it waits for told in the log, or on the
        terminal where there is none. After the runner has broken down it raises that
        ``RunnerClosedError``, the first time.
        """
        interrupted = isinstance(sys.exception(), KeyboardInterrupt | asyncio.CancelledError)
        closing = asyncio.wrap_future(self._host.close())
        if interrupted:
            self._host.tell_of_wait()
        try:
            with suppress(RunnerClosedError), wake_timer():
                await asyncio.shield(closing)  # what has ended the engine is said below, once
        except asyncio.CancelledError:
            self._host.hurry()
            raise
        self._host.end_thread()

    def __repr__(self) -> str:
        return f"AsyncRunner({self._host})"
