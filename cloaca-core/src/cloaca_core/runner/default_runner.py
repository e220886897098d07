"""``DefaultRunner``: the engine for programs that wait by blocking.

A method here turns its arguments into a call of the engine and blocks until that answers;
``AsyncRunner`` awaits the same calls. What the two would have to repeat is in the engine's modules.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from cloaca_core._engine.engine import Engine
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.inputs import ContextLike
from cloaca_core.definition.registry import Registry
from cloaca_core.errors import (
    CloacaError,
    ConfigTypeError,
    RunnerClosedError,
    StoreError,
    StoreOpenError,
)
from cloaca_core.runner.calls.arguments import checked_run_id
from cloaca_core.runner.calls.schedule_spec import backfill_result, backfill_spec, schedule_spec
from cloaca_core.runner.error_prefixes import CRON_WORKFLOW, INSTANCE, SCHEDULE
from cloaca_core.runner.handles import RunHandle
from cloaca_core.runner.host import EngineHost
from cloaca_core.runner.results import (
    Backfill,
    PipelineResult,
    RunInfo,
    execute_result,
    run_info,
)
from cloaca_core.runner.waiting import (
    checked_timeout,
    current_work,
    refuse_blocking_call,
    wait_for,
)
from cloaca_core.values.option_names import CatchupPolicyName, OverlapPolicyName, RunStatus


class DefaultRunner:
    """Runs workflows in this process and keeps every finished step in a database.

    Opens at construction. All methods may be called from any thread, task bodies included (async
    ones use an ``AsyncRunner``). Use it as a context manager, or call ``shutdown()``.

    * ``database_url``: ``sqlite://work.db``, ``sqlite:////abs/work.db``, a plain path or
      ``:memory:``; ``?mode=``, ``_synchronous=`` and ``_busy_timeout=`` (milliseconds) may follow;
      or a ``pathlib.Path``, which always names a SQLite file
    * ``config``: the settings; ``DefaultRunnerConfig()``
    * ``schema``: letters, digits and underscores, for PostgreSQL only; none
    * ``registry``: the ``Registry`` whose workflows it runs; the program's own
    * ``start``: False opens it as ``stop()`` would leave it: it claims nothing before ``start()``

    A URL or file that cannot be used is a ``StoreOpenError`` (ValueError), a backend that is not
    there a ``BackendError`` (ImportError), a wrong setting a ``ConfigError`` (ValueError), all
    raised at once. After ``shutdown()`` every call raises ``RunnerClosedError``. So it does
    when the engine has died, as where a task body closed its files. Calls that wait are cut short
    then, the end of the ``with`` block raises it too, and other runners take the runs over.
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
        try:
            opening = self._host.open()
            self._host.load_engine()
            wait_for(opening)
            self._host.begin()
        except BaseException:
            with suppress(RunnerClosedError):  # it is what has been raised
                self.shutdown()
            raise

    @classmethod
    def with_config(cls, database_url: str | os.PathLike[str], config: DefaultRunnerConfig) -> Self:
        """The same as ``DefaultRunner(database_url, config=config)``."""
        return cls(database_url, config=config)

    @classmethod
    def with_schema(cls, database_url: str, schema: str) -> Self:
        """A runner in a schema of its own, which only PostgreSQL has; ValueError elsewhere.

        The schema is made when it is missing. ``StoreOpenError`` (a ValueError) "Failed to create
        DefaultRunner with schema: …" when it cannot be opened.
        """
        _refuse_no_schema(schema)
        try:
            return cls(database_url, schema=schema)
        except StoreError as error:
            raise StoreOpenError(f"Failed to create DefaultRunner with schema: {error}") from error

    # -- run ---------------------------------------------------------------------------------

    def execute(
        self, workflow_name: str, context: ContextLike = None, *, timeout: float | None = None
    ) -> PipelineResult:
        """Run a workflow and wait for its end; the result also of a run that failed.

        ``workflow_name`` is its name or ``tenant::package::workflow``, ``context`` a ``Context``,
        a mapping or None for an empty one. ``timeout`` in seconds ends only the wait
        (``PipelineTimeoutError``), the run goes on; None waits for ever. A run that passes
        ``pipeline_timeout_seconds`` becomes Failed and raises ``PipelineTimeoutError`` here. An
        unknown name is ``WorkflowNotFoundError``, one that several have
        ``AmbiguousWorkflowError``, both a ValueError; a value that is no JSON a ``ContextError``.
        """
        refuse_blocking_call()
        seconds = checked_timeout(timeout)
        request = self._host.open_requests.request(workflow_name, [context], numbered=True)
        run: list[str] = []
        future = self._host.send(Engine.execute, request, current_work(), run.append)
        return execute_result(wait_for(future, seconds, run))

    def submit(
        self,
        workflow_name: str,
        context: ContextLike = None,
        *,
        idempotency_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        connection: object | None = None,
    ) -> RunHandle:
        """Accept a run and go on; it is durable when this returns.

        The same ``idempotency_key`` (1 to 255 characters) for the same workflow gives the run that
        has it already. ``tags`` are for finding it again in ``list_runs``. Errors as ``execute``.

        With a ``connection`` of your own to the database of this runner, the run is written in
        your transaction: it is there if and only if that commits, and then any runner takes it up.
        A connection that commits each statement by itself commits the run as well. Until the
        commit nobody knows of it, and ``status()`` of its handle is ``RunNotFoundError``. Accepted
        are an open ``sqlite3.Connection`` to the same file, or a ``psycopg.Connection`` to the
        same database, whatever its search path. Others are a TypeError; one to another database,
        a closed one or one whose transaction has failed is a ValueError; after any error your
        transaction is as it was before. Keep it short: on SQLite nobody else can write before it
        ends, and a plain ``submit`` would wait for it; on PostgreSQL only a ``submit`` with the
        ``idempotency_key`` of a run in it waits. In a task body, such a run is not found again
        when the body is run again: give it an ``idempotency_key``.
        """
        refuse_blocking_call()
        request = self._host.open_requests.request(
            workflow_name,
            [context],
            tags=tags,
            idempotency_key=idempotency_key,
            numbered=connection is None,
        )
        if connection is not None:
            outbox, run = self._host.engine.outgoing(request)
            return RunHandle(self._host, outbox.submit(connection, run))
        (run_id,) = wait_for(self._host.send(Engine.submit, request))
        return RunHandle(self._host, run_id)

    def submit_many(
        self,
        workflow_name: str,
        contexts: Iterable[ContextLike],
        *,
        tags: Mapping[str, str] | None = None,
    ) -> list[RunHandle]:
        """Accept many runs of one workflow, up to 10,000 in one commit.

        A list is checked as a whole before anything is submitted. A generator is read as it goes,
        so that no more than that are held at a time; what it gave before a context that is
        refused stays accepted: the error's ``accepted`` holds those handles.
        """
        refuse_blocking_call()
        handles: list[RunHandle] = []
        try:
            for request in self._host.open_requests.many(workflow_name, contexts, tags):
                run_ids = wait_for(self._host.send(Engine.submit, request))
                handles += [RunHandle(self._host, run_id) for run_id in run_ids]
        except CloacaError as error:
            error.accepted = handles
            raise
        return handles

    # -- observe -----------------------------------------------------------------------------

    def get_run(self, run_id: str) -> RunHandle:
        """The handle of a run in this database; ``RunNotFoundError`` (a KeyError) for no run."""
        refuse_blocking_call()
        return RunHandle(
            self._host, wait_for(self._host.send(Engine.get_run, checked_run_id(run_id))).id
        )

    def list_runs(
        self,
        *,
        status: RunStatus | None = None,
        workflow_name: str | None = None,
        tags: Mapping[str, str] | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[RunInfo]:
        """Runs, newest first, at most ``limit`` of them.

        ``status`` is one run state, ``workflow_name`` a name as in ``execute``; all ``tags`` must
        match; ``before`` is the id of a run, whose elders are listed: the last one of a page.
        """
        refuse_blocking_call()
        wanted = self._host.open_requests.run_filter(status, workflow_name, tags, limit, before)
        return [run_info(row) for row in wait_for(self._host.send(Engine.list_runs, wanted))]

    def health(self) -> dict[str, Any]:
        """What the runner is doing: its runs, bodies, loops and the triggers that fail."""
        refuse_blocking_call()
        return wait_for(self._host.send(Engine.health))

    # -- schedules ---------------------------------------------------------------------------

    def register_cron_workflow(
        self, workflow_name: str, cron_expression: str, timezone: str
    ) -> str:
        """Run a workflow at the ticks of a cron expression, from now on; the schedule's id.

        ``cron_expression`` has five fields, or six with seconds first; ``timezone`` is a name of
        the IANA database. The workflow need not be registered here: a runner fires the schedules
        of its own workflows. Of ticks that nobody was there to fire the newest runs late. A wrong
        expression or zone is a ``CronExpressionError`` (a ValueError) "Failed to register cron
        workflow: Invalid cron expression or timezone: …".
        """
        refuse_blocking_call()
        wanted = schedule_spec(self._host, CRON_WORKFLOW, workflow_name, cron_expression, timezone)
        added = self._host.send(Engine.cron, lambda cron: cron.register(wanted))
        return str(wait_for(added))

    def schedule(
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
        """Add the schedule of this name, or change it to be like this; its id.

        The same again changes nothing, so a program may say at each start what it wants.
        ``catchup_policy`` is for ticks that nobody fired for a minute: "skip" drops them,
        "run_once" (the default) runs the newest, "run_all" the newest
        ``cron_max_catchup_executions``. ``jitter_seconds`` spreads the start of runs
        over so much time. Dates are datetimes with a zone or RFC 3339; ``params`` is what each
        run's context begins with. Refused is what ``register_cron_workflow`` refuses.

        ``overlap_policy`` is for ticks while runs of the schedule have not ended: "allow" (the
        default) starts another one beside them, "skip" makes none, which counts as lost, "queue"
        makes one that starts when the one before it has ended, however it ends, and "cancel_old"
        ends the others as Cancelled first. Their coroutines are cancelled; a thread body cannot be
        ended, and nothing that it still returns is taken. After a change of the policy queued runs
        stay and run in their order, unless it is "cancel_old", whose next tick ends them too; they
        stay as well when the schedule is disabled or deleted. No tick asks for back-filled runs,
        nor for those of a workflow that the schedule had before. One that was disabled stays so.
        """
        refuse_blocking_call()
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
        return str(wait_for(self._host.send(Engine.cron, lambda cron: cron.put(wanted))))

    def register_workflow_instance(
        self,
        workflow_name: str,
        instance_name: str,
        cron_expression: str,
        timezone: str,
        params: ContextLike = None,
    ) -> str:
        """Run a workflow by cron with parameters, under a name of its own; the schedule's id.

        ``params`` is what each run's context begins with, beside the keys of its tick. The same
        ``instance_name`` for the same workflow again changes the instance. Its schedule's name is
        ``tenant::package::workflow::instance_name``, so it meets neither another workflow's
        instance of that name nor a ``schedule``. "Failed to register workflow instance: …" is
        refused what ``register_cron_workflow`` refuses.
        """
        refuse_blocking_call()
        wanted = schedule_spec(
            self._host,
            INSTANCE,
            workflow_name,
            cron_expression,
            timezone,
            params,
            name=instance_name,
        )
        return str(wait_for(self._host.send(Engine.cron, lambda cron: cron.put_instance(wanted))))

    def backfill(
        self,
        schedule: str,
        start: datetime | str,
        end: datetime | str,
        *,
        limit: int | None = None,
    ) -> Backfill:
        """Run the ticks of a period of the past that have no run yet, whyever they have none.

        ``schedule`` is the id or the name of one, enabled or not, as it is now; where it goes on
        does not change, and it does not matter whether earlier runs have ended. The period is
        from ``start`` on and before ``end``, datetimes with a zone or RFC 3339, with at most
        100,000 ticks and none to come. At most ``limit`` ticks run, 1,000 by default, the oldest.
        Their runs begin with the keys of runs made late. Each tick has at most one run for ever,
        so the same call again goes on where this one ended, also after an error. Otherwise
        ``ScheduleError`` (a ValueError) "Failed to back-fill schedule: …".
        """
        refuse_blocking_call()
        spec = backfill_spec(schedule, start, end, limit)
        filled = wait_for(self._host.send(Engine.back_fill, lambda calls: calls.run(spec)))
        return backfill_result(filled)

    def preview_backfill(
        self,
        schedule: str,
        start: datetime | str,
        end: datetime | str,
        *,
        limit: int | None = None,
    ) -> Backfill:
        """What ``backfill`` with these arguments would do just now; makes nothing."""
        refuse_blocking_call()
        spec = backfill_spec(schedule, start, end, limit)
        filled = wait_for(self._host.send(Engine.back_fill, lambda calls: calls.preview(spec)))
        return backfill_result(filled)

    def list_cron_schedules(
        self,
        enabled_only: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """Schedules by workflow: all, or those that are enabled; at most 100 by default."""
        refuse_blocking_call()
        return wait_for(
            self._host.send(Engine.cron, lambda cron: cron.page(enabled_only, limit, offset))
        )

    def get_cron_schedule(self, schedule_id: str) -> dict[str, Any]:
        """One schedule; ``ScheduleError`` (a ValueError) "Failed to get cron schedule: …"."""
        refuse_blocking_call()
        return wait_for(self._host.send(Engine.cron, lambda cron: cron.get(schedule_id)))

    def update_cron_schedule(self, schedule_id: str, cron_expression: str, timezone: str) -> None:
        """Let a schedule tick by another expression from now on."""
        refuse_blocking_call()
        wait_for(
            self._host.send(
                Engine.cron, lambda cron: cron.update(schedule_id, cron_expression, timezone)
            )
        )

    def set_cron_schedule_enabled(self, schedule_id: str, enabled: bool) -> None:
        """Let a schedule tick, from now on, or not; an unknown id is no error."""
        refuse_blocking_call()
        wait_for(self._host.send(Engine.cron, lambda cron: cron.set_enabled(schedule_id, enabled)))

    def delete_cron_schedule(self, schedule_id: str) -> None:
        """Remove a schedule; its runs and history stay. An unknown id is no error."""
        refuse_blocking_call()
        wait_for(self._host.send(Engine.cron, lambda cron: cron.delete(schedule_id)))

    def get_cron_execution_history(
        self, schedule_id: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """The ticks of a schedule that were fired, newest first; at most 100 by default."""
        refuse_blocking_call()
        return wait_for(
            self._host.send(Engine.cron, lambda cron: cron.history(schedule_id, limit, offset))
        )

    def get_cron_execution_stats(self, since: str) -> dict[str, Any]:
        """What became of the ticks of all schedules since a time (RFC 3339 with an offset).

        ``lost_executions`` counts those that were missed and dropped by policy; another form of
        ``since`` is a ``ScheduleError`` (a ValueError) "Invalid datetime format: …".
        """
        refuse_blocking_call()
        return wait_for(self._host.send(Engine.cron, lambda cron: cron.stats(since)))

    # -- triggers ----------------------------------------------------------------------------

    def list_trigger_schedules(
        self,
        enabled_only: bool | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """Triggers by name: all that any program on this database has registered, or those that
        are enabled; at most 100 by default. One that fires no workflow has ``workflow_name`` None,
        one that has a cron expression ``poll_interval_ms`` None.
        """
        refuse_blocking_call()
        return wait_for(
            self._host.send(Engine.triggers, lambda them: them.page(enabled_only, limit, offset))
        )

    def get_trigger_schedule(self, trigger_name: str) -> dict[str, Any] | None:
        """One trigger; None for an unknown name."""
        refuse_blocking_call()
        found: dict[str, Any] | None = wait_for(
            self._host.send(Engine.triggers, lambda them: them.get(trigger_name))
        )
        return found

    def set_trigger_enabled(self, trigger_name: str, enabled: bool) -> None:
        """Let a trigger be polled, from now on, or not, by whichever program has it.

        That stays so when it is registered again. Once disabled it fires nothing, not even what a
        poll finds that is under way. An unknown name is no error.
        """
        refuse_blocking_call()
        wait_for(
            self._host.send(Engine.triggers, lambda them: them.set_enabled(trigger_name, enabled))
        )

    def get_trigger_execution_history(
        self, trigger_name: str, limit: int | None = None, offset: int | None = None
    ) -> list[dict[str, Any]]:
        """The runs that a trigger fired, newest first, at most 100 by default; [] for an unknown
        name. ``completed_at`` is when the run ended, None while it has not.
        """
        refuse_blocking_call()
        return wait_for(
            self._host.send(Engine.triggers, lambda them: them.history(trigger_name, limit, offset))
        )

    # -- start and stop ----------------------------------------------------------------------

    def start(self) -> None:
        """Claim runs, after ``stop()`` or when it was opened with ``start=False``."""
        refuse_blocking_call()
        wait_for(self._host.send(Engine.resume))

    def stop(self) -> None:
        """Claim no further runs; those of this runner go on, new ones wait in the table."""
        refuse_blocking_call()
        wait_for(self._host.send(Engine.pause))

    def shutdown(self) -> None:
        """Let running bodies end, release the other runs for recovery, close. Idempotent.

        Ctrl-C ends the grace period. One that leads to the shutdown, or comes during it, has the
        bodies that it waits for told in the log, or on the terminal where there is none. After the
        runner has broken down it raises that ``RunnerClosedError``, the first time.
        """
        interrupted = isinstance(sys.exception(), KeyboardInterrupt)
        try:
            closing = self._host.close()
            if interrupted:
                self._host.tell_of_wait()
            with suppress(RunnerClosedError):  # ``end_thread`` says it once
                closing.result()
        except KeyboardInterrupt:
            self._host.hurry()
            raise
        self._host.end_thread()

    def __enter__(self) -> Self:
        self._host.refuse_closed()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.shutdown()
        except RunnerClosedError:
            if error is None:
                raise

    def __repr__(self) -> str:
        return f"DefaultRunner({self._host})"


def _refuse_no_schema(schema: object) -> None:
    """A tenant whose name is missing must not open what belongs to no tenant."""
    if schema is None:
        raise ConfigTypeError("schema must be a str, not NoneType", field="schema")
